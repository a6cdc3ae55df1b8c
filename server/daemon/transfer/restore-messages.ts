/** What the daemon's main thread and its restore workers say to each other. Both ends are this build, so nothing is parsed. */
import type { ErrorReport } from '../../protocol/errors.ts';
import type { DiskId, RepositoryId, RestoreSessionId } from '../../protocol/ids.ts';
import type { RepositoryKeys } from '../../repository/index.ts';
import type { DataAccess } from '../agent-client/data-access.ts';

/** Where a restored disk goes. */
export type RestoreTarget =
  | { readonly type: 'raw'; readonly path: string }
  /** A VHDX file whose layout is fixed already: `blockOffsets[n]` is where in the file block `n` lies, -1 when it is all zeros. */
  | {
      readonly type: 'vhdx';
      readonly path: string;
      readonly blockBytes: number;
      readonly blockOffsets: Float64Array;
    }
  | {
      readonly type: 'agent';
      readonly access: DataAccess;
      readonly sessionId: RestoreSessionId;
      readonly diskId: DiskId;
    };

/** What a worker needs for a whole disk; its `workerData`. */
export interface RestoreWorkerData {
  readonly repositoryId: RepositoryId;
  readonly keys: RepositoryKeys;
  readonly location: string;
  readonly target: RestoreTarget;
}

/** One read of a pack: neighbouring blobs and where their chunks go. */
export interface RestoreTask {
  readonly task: number;
  /** Name of the pack in its backend. */
  readonly pack: string;
  readonly offset: number;
  readonly bytes: number;
  readonly blobs: readonly RestoreBlob[];
}

/** A blob inside a read. */
export interface RestoreBlob {
  readonly id: Uint8Array;
  /** Of the record, from the start of the read. */
  readonly offset: number;
  readonly bytes: number;
  readonly rawBytes: number;
  /** Offset in the disk of the chunk. */
  readonly target: number;
}

export type ToRestoreWorker =
  | { readonly type: 'task'; readonly task: RestoreTask }
  | { readonly type: 'finish' }
  | { readonly type: 'abort' };

export type FromRestoreWorker =
  | { readonly type: 'idle' }
  | { readonly type: 'written'; readonly bytes: number }
  /** Everything this worker wrote is where it belongs; of an agent's disk also durable. */
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly detail: string };
