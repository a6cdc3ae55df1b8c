/** What the parts of the repository library share: storage, keys, the index of all packs, and the small sealed files. */
import type { RepositoryId } from '../protocol/ids.ts';
import type { BlockMap, RestorePointList } from './api.ts';
import type { StorageBackend } from './backend.ts';
import type { BlobOpener } from './blob-opener.ts';
import type { MapSource } from './block-map.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { RepositoryKeys } from './keys.ts';
import type { Lease, LeaseInfo, LeaseKind } from './leases.ts';
import type { BlobId, StoredDisk } from './model.ts';
import type { CondemnedRecord, DamageRecord, StoredRecord } from './records.ts';

/** A durable pack that the index does not know yet. */
export interface NewPack {
  readonly packId: string;
  readonly kind: 'data' | 'meta';
  readonly toc: Uint8Array;
  readonly fileBytes: number;
}

/** The inside of an open repository. */
export interface RepositoryCore {
  readonly id: RepositoryId;
  readonly location: string;
  readonly backend: StorageBackend;
  readonly keys: RepositoryKeys;
  readonly opener: BlobOpener;
  /** What `Repository.warnings` gives. `warn` adds a sentence once. */
  readonly warnings: readonly string[];
  warn(text: string): void;

  /**
   * The index as it is now. `refreshIndex` and `rewriteIndex` may replace the object: whoever needs ordinals to stay what
   * they are keeps the object it began with. Packs are only ever added to an object.
   */
  readonly index: ChunkIndex;
  /** Takes in what other processes wrote to `index/`, `gc/` and `damage/`. Call it after taking a lease. */
  refreshIndex(signal: AbortSignal): Promise<void>;
  /**
   * Lists all pack files and reads the table of contents of each that the index does not know; those packs become part of
   * the index and are published with the next `flushIndex`. Returns packs that are no packs (damaged beyond their table
   * of contents), and the file names of packs that the index knows and the storage does not have.
   */
  rescanPacks(signal: AbortSignal): Promise<RescanResult>;
  /** Takes a durable pack into the index; published with the next `flushIndex`. Throws `TM4008` for a wrong table of contents. */
  addPack(pack: NewPack): void;
  /** Makes index segments of all packs that have none yet. Needs a lease. */
  flushIndex(signal: AbortSignal): Promise<void>;
  /**
   * Writes the whole index anew without the packs in `dropped` (pack ids), as segments that supersede all others, then
   * deletes the others, damaged ones too. With an empty set: a merge. With a set that is not empty it needs an exclusive
   * lease, since a writer could merge a segment that still names a dropped pack.
   */
  rewriteIndex(dropped: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
  /** Segments at the last refresh, and the damaged ones among them. */
  readonly segments: readonly SegmentState[];

  listRestorePoints(signal: AbortSignal): Promise<RestorePointList>;
  /** What reading block maps needs. `recoverIndex` refreshes the index, and rescans the packs once when that did not help. */
  readonly mapSource: MapSource;
  openMap(disk: Pick<StoredDisk, 'sizeBytes' | 'chunkBytes' | 'map'>): BlockMap;
  /** A metadata blob, its id checked. Errors: `TM4009`, `TM4010`. */
  readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array>;

  /** Takes a lease that is kept fresh until it is released. Errors: `TM4005` when it conflicts, `TM4007`. */
  acquireLease(kind: LeaseKind, note: string, signal: AbortSignal): Promise<Lease>;
  /** Leases of holders that live, one's own included; those of the dead are removed on the way. */
  liveLeases(signal: AbortSignal): Promise<readonly LeaseInfo[]>;

  /** Packs condemned by a garbage collection (all records, oldest first). Damaged records are skipped with a warning. */
  condemned(signal: AbortSignal): Promise<readonly StoredRecord<CondemnedRecord>[]>;
  /** Writes a record; `createdMs` in it is by the storage's clock. The index marks the packs. Returns the file's name. */
  putCondemned(record: CondemnedRecord, signal: AbortSignal): Promise<string>;
  damage(signal: AbortSignal): Promise<readonly StoredRecord<DamageRecord>[]>;
  /** Writes a record; the index treats these copies as damaged from now on. */
  putDamage(record: DamageRecord, signal: AbortSignal): Promise<string>;
  /** Deletes a condemned or damage record by its file name; the marks go with the next `refreshIndex`. */
  deleteRecord(file: string, signal: AbortSignal): Promise<void>;
}

/** What `rescanPacks` found. */
export interface RescanResult {
  /** Packs that were taken into the index. */
  readonly adopted: readonly string[];
  /** Files below `d/` and `m/` that are no packs. */
  readonly damaged: readonly { readonly file: string; readonly error: unknown }[];
  /** Names of packs in the index that are not in the storage. */
  readonly missing: readonly string[];
}

/** An index segment. */
export interface SegmentState {
  readonly file: string;
  /** Why it could not be read; undefined when it is fine. */
  readonly error: unknown;
}
