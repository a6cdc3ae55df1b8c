/** What a verification and its workers say to each other. Both ends are this build, so nothing is parsed. */
import type { ErrorReport } from '../../protocol/errors.ts';
import type { RepositoryId } from '../../protocol/ids.ts';
import type { RepositoryKeys } from '../keys.ts';

/** What a worker needs; its `workerData`. */
export interface VerifyWorkerData {
  readonly location: string;
  readonly repositoryId: RepositoryId;
  readonly keys: RepositoryKeys;
}

/** A pack to read and check. */
export interface PackTask {
  /** Name in the backend. */
  readonly name: string;
  /**
   * What the index says of its blobs, one after the other: id (32 bytes), offset and length of the record (u32 each, little
   * endian). Undefined for a pack that no index names.
   */
  readonly expected: Uint8Array | undefined;
}

/** Bytes of an entry of `PackTask.expected`. */
export const expectedEntryBytes = 40;

/** What is wrong with one blob of a pack. */
export interface BadBlob {
  /** Hex. */
  readonly id: string;
  /** Offset of its record in the pack. */
  readonly offset: number;
  readonly error: ErrorReport;
}

/** What was found in one pack. */
export interface CheckedPack {
  readonly name: string;
  /** Bytes read. */
  readonly bytes: number;
  readonly blobs: number;
  /** What is wrong with the file as a whole: it cannot be read, it has another hash, its table of contents is damaged. */
  readonly fileError: ErrorReport | undefined;
  readonly bad: readonly BadBlob[];
}

export type ToVerifyWorker =
  | { readonly type: 'pack'; readonly task: PackTask }
  | { readonly type: 'finish' }
  | { readonly type: 'abort' };

export type FromVerifyWorker =
  /** Ready for another pack. */
  | { readonly type: 'idle' }
  | { readonly type: 'checked'; readonly pack: CheckedPack }
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly detail: string };
