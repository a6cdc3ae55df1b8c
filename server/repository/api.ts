/** What a repository offers to the daemon. Nothing here knows of hosts, agents or runs. */
import type { RepositoryStatus, RunOutcome } from '../protocol/daemon.ts';
import type { RepositoryId, RestorePointId } from '../protocol/ids.ts';
import type { RepositoryKeys } from './keys.ts';
import type { RestorePointPin } from './pin-store.ts';
import type { BlobId, NewRestorePoint, StoredDisk, StoredMap, StoredRestorePoint } from './model.ts';

/** Changed chunks, ascending: `chunks[n]` is the index in the disk of the chunk whose id is at `n × 32` of `ids`. */
export interface ChangedChunks {
  readonly chunks: Uint32Array;
  readonly ids: Uint8Array;
}

/** The shape of a disk. */
export interface DiskGeometry {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
}

/** Where a blob's record lies. */
export interface BlobLocation {
  /** Name of the pack in its backend. */
  readonly pack: string;
  readonly offset: number;
  /** Length of the record, header included. */
  readonly recordBytes: number;
  readonly rawBytes: number;
}

/** A chunk of a disk that is not zeros. */
export interface LocatedChunk {
  /** Index in the disk. */
  readonly chunk: number;
  readonly id: Uint8Array;
  readonly location: BlobLocation;
}

/** A page of a block map: the ids of neighbouring chunks, 32 bytes each. */
export interface MapPage {
  readonly firstChunk: number;
  readonly ids: Uint8Array;
}

/** The block map of a stored disk. Reads pages as they are needed. */
export interface BlockMap {
  readonly geometry: DiskGeometry;
  readonly stored: StoredMap;
  /** Page by page, ascending; pages of zeros only are left out. Errors: `TM4009`, `TM4010`. */
  pages(signal: AbortSignal): AsyncIterable<MapPage>;
  /**
   * The chunks that are not zeros, in batches of bounded size, sorted by pack and offset within each batch. A batch may be
   * iterated once, before the next is asked for. Throws `TM4009` naming a chunk that no pack holds.
   */
  locatedChunks(signal: AbortSignal): AsyncIterable<Iterable<LocatedChunk>>;
  /**
   * The chunks that no pack holds whole, ascending, as far as is known: nothing, and nothing is read, when no verification found
   * damage. Errors: `TM4009`, `TM4010` when the map itself is damaged.
   */
  lostChunks(signal: AbortSignal): AsyncIterable<number>;
  /** One bit a chunk, least significant first: set for chunks that are not zeros. Errors: `TM4009`, `TM4010`. */
  usedChunks(signal: AbortSignal): Promise<Uint8Array>;
}

/** Writing into a repository, under a writer lease. Dispose it in every case. */
export interface WriteSession extends AsyncDisposable {
  /** Aborted with `TM4015` when the lease is lost, and with the signal that `beginWrite` was given. */
  readonly signal: AbortSignal;
  /** For `PieceWriter.create`: what is begun with it and not finished when the session ends is removed then. A ULID. */
  readonly writer: string;
  /**
   * For each 32-byte id, 1 when the caller must store the chunk. 0 for zeros, for what a usable pack holds durably, and for
   * what this session claimed before. What other sessions claimed does not count, since they may fail.
   */
  claim(ids: Uint8Array): Uint8Array;
  /** Takes in a data pack that is durable. Throws `TM4008` when `toc` is not a table of contents of such a file. */
  addPack(pack: { readonly packId: string; readonly toc: Uint8Array; readonly fileBytes: number }): void;
  /** Writes the block map of a disk: `base` (or zeros) with `changes`, page by page while they come in. */
  saveMap(
    base: BlockMap | undefined,
    geometry: DiskGeometry,
    changes: AsyncIterable<ChangedChunks>,
    signal: AbortSignal,
  ): Promise<StoredMap>;
  /** Stores a metadata blob of 1 byte to 64 MiB; durable after `flush`. Throws `TM1001` for others. */
  putMetadata(kind: 'vm-config', bytes: Uint8Array, signal: AbortSignal): Promise<BlobId>;
  /** Makes all metadata and the index of all packs durable. */
  flush(signal: AbortSignal): Promise<void>;
  /** Checks that everything the point names is there, then writes it. Only when this resolves does the restore point exist. Errors: `TM4009`, `TM4015`. */
  commit(point: NewRestorePoint, signal: AbortSignal): Promise<StoredRestorePoint>;
  /** Removes what is not finished, and gives the lease back. What was stored stays for the next session to find. No worker of the session may be left. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How to verify. */
export interface VerifyOptions {
  /** Read and check every byte; otherwise only the structure. */
  readonly readData: boolean;
  /** Only what these restore points need; the whole repository when absent. */
  readonly restorePoints?: readonly RestorePointId[] | undefined;
  /**
   * With `restorePoints` and `readData`: restore points that were read back whole before. Of each restore point, blobs that one of these of the same
   * VM needs are not read again, but for those that the repository holds more than once. Those that are gone by now leave out nothing.
   */
  readonly alreadyRead?: readonly RestorePointId[] | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly log?: ((text: string) => void) | undefined;
}
/** What a verification found. */
export type VerifyResult = Omit<Extract<RunOutcome, { readonly kind: 'verify' }>, 'kind'>;

/** How to collect garbage. */
export interface GcOptions {
  readonly dryRun: boolean;
  /** Delete without waiting the grace period; needs that nobody else writes. */
  readonly now: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly log?: ((text: string) => void) | undefined;
}
/** What a garbage collection did. */
export type GcResult = Omit<Extract<RunOutcome, { readonly kind: 'gc' }>, 'kind'>;

/** The figures of a repository. */
export type RepositoryFigures = Omit<RepositoryStatus, 'entry'>;

/** All restore points that can be read, oldest first, and the files of those that cannot. */
export interface RestorePointList {
  readonly points: readonly StoredRestorePoint[];
  readonly damaged: readonly { readonly file: string; readonly error: unknown }[];
}

/** An open repository. */
export interface Repository {
  readonly id: RepositoryId;
  readonly location: string;
  /** What was found wrong, and set right or worked around, since it was opened: one sentence each. */
  readonly warnings: readonly string[];
  /** Whether a verification found damage that is not healed yet; false: no restore point is known to be damaged. */
  readonly hasKnownDamage: boolean;
  /** For worker threads of this process. Never log them. */
  exportKeys(): RepositoryKeys;
  /** Takes in what other programs wrote meanwhile: new data, and damage that they found. Errors: `TM4014`. */
  refresh(signal: AbortSignal): Promise<void>;
  listRestorePoints(signal: AbortSignal): Promise<RestorePointList>;
  /** Errors: `TM4011`, `TM4012`. */
  readRestorePoint(id: RestorePointId, signal: AbortSignal): Promise<StoredRestorePoint>;
  /**
   * Removes the restore point, damaged or not; its data goes with the next garbage collections. Errors: `TM4011`, `TM4013` when it is
   * pinned, `TM4005`, `TM4007`.
   */
  deleteRestorePoint(id: RestorePointId, signal: AbortSignal): Promise<void>;
  /**
   * The restore points that are pinned. A pin that cannot be read counts, and is among `warnings`; pins of restore points that are gone
   * may be there too.
   */
  pins(signal: AbortSignal): Promise<ReadonlyMap<RestorePointId, RestorePointPin>>;
  /** Pins a restore point, or unpins it; durable when it resolves. Errors: `TM4011` when there is nothing to pin, `TM4007`. */
  setPin(id: RestorePointId, pin: RestorePointPin | undefined, signal: AbortSignal): Promise<void>;
  /** Takes a writer lease. `note` says who writes, for people. Errors: `TM4005`, `TM4007`. */
  beginWrite(options: { readonly signal: AbortSignal; readonly note: string }): Promise<WriteSession>;
  openMap(disk: Pick<StoredDisk, 'sizeBytes' | 'chunkBytes' | 'map'>): BlockMap;
  /** A metadata blob. Errors: `TM4009`, `TM4010`. */
  readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array>;
  verify(options: VerifyOptions): Promise<VerifyResult>;
  collectGarbage(options: GcOptions): Promise<GcResult>;
  status(signal: AbortSignal): Promise<RepositoryFigures>;
  close(): Promise<void>;
}
