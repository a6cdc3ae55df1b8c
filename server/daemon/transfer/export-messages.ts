/** What the daemon's main thread and its export workers say to each other. Both ends are this build, so nothing is parsed. */
import type { DataAccess } from '../agent-client/data-connection.ts';
import type { DiskId, ExportId, RepositoryId } from '../../protocol/ids.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import type { RepositoryKeys } from '../../repository/index.ts';

/** What a worker needs for a whole run; its `workerData`. */
export interface ExportWorkerData {
  readonly access: DataAccess;
  readonly exportId: ExportId;
  readonly repositoryId: RepositoryId;
  readonly keys: RepositoryKeys;
  readonly location: string;
  /** `WriteSession.writer`. */
  readonly writer: string;
}

/** A part of a disk for one worker. */
export interface PartAssignment {
  readonly part: number;
  readonly diskId: DiskId;
  readonly chunkBytes: number;
  readonly ranges: readonly number[];
  readonly bytes: number;
  /** Let the agent compress: the link is slower than the processors. */
  readonly compress: boolean;
}

export type ToExportWorker =
  | { readonly type: 'part'; readonly assignment: PartAssignment }
  /** Answers `claim`: for each id 1 when this worker must store the chunk. */
  | { readonly type: 'claimed'; readonly claim: number; readonly isNew: Uint8Array }
  /** No parts follow: store what is left and end. */
  | { readonly type: 'finish' }
  /** Stop now, remove what is not finished. */
  | { readonly type: 'abort' };

export type FromExportWorker =
  /** Ready for another part. */
  | { readonly type: 'idle' }
  /** Chunks of a part, hashed: `chunks[n]` is the index in the disk of the chunk whose id is at `n × 32`. */
  | {
      readonly type: 'claim';
      readonly claim: number;
      readonly part: number;
      readonly chunks: Uint32Array;
      readonly ids: Uint8Array;
      /** Bytes read from the host for these chunks. */
      readonly readBytes: number;
    }
  /** A pack is durable. */
  | { readonly type: 'pack'; readonly packId: string; readonly toc: Uint8Array; readonly fileBytes: number }
  | { readonly type: 'stored'; readonly part: number; readonly newBytes: number; readonly storedBytes: number }
  | {
      readonly type: 'part-done';
      readonly part: number;
      readonly bytes: number;
      /** Wall time of the part and how much of it was spent waiting for the agent, ms. */
      readonly elapsedMs: number;
      readonly waitedMs: number;
    }
  /** All packs of this worker are durable. */
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly detail: string };
