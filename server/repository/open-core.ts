/** The inside of an open repository, put together. */
import { Mutex } from '../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import type { BlockMap, RestorePointList } from './api.ts';
import type { StorageBackend } from './backend.ts';
import { BlobOpener } from './blob-opener.ts';
import { StoredBlockMap } from './block-map.ts';
import type { MapSource } from './block-map.ts';
import { readMetadataBlob } from './read-blob.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { PresentId } from './config.ts';
import type { NewPack, RepositoryCore, RescanResult, SegmentState } from './core.ts';
import { IndexMarks } from './index-marks.ts';
import { IndexStore } from './index-store.ts';
import type { RepositoryKeys } from './keys.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { Lease, LeaseInfo, LeaseKind } from './leases.ts';
import type { BlobId, StoredDisk } from './model.ts';
import { PinStore } from './pin-store.ts';
import { PointStore } from './point-store.ts';
import { condemnedRecord, damageRecord } from './records.ts';
import type { CondemnedRecord, DamageRecord, StoredRecord } from './records.ts';
import { RecordStore } from './record-store.ts';
import { FileSealer, sealedKind } from './sealed-file.ts';

/** What a core is made of. */
export interface CoreParts {
  readonly id: RepositoryId;
  readonly location: string;
  readonly backend: StorageBackend;
  readonly keys: RepositoryKeys;
  readonly warnings: readonly string[];
}

/** The one implementation of `RepositoryCore`. Call `refreshIndex` before using it. */
export class OpenCore implements RepositoryCore {
  readonly id: RepositoryId;
  readonly location: string;
  readonly backend: StorageBackend;
  readonly keys: RepositoryKeys;
  readonly opener: BlobOpener;
  readonly points: PointStore;
  readonly pins: PinStore;
  readonly mapSource: MapSource;
  readonly #warnings: Set<string>;
  readonly #presentId: PresentId;
  readonly #indexStore: IndexStore;
  readonly #leases: LeaseKeeper;
  readonly #condemned: RecordStore<CondemnedRecord>;
  readonly #damage: RecordStore<DamageRecord>;
  /** Held from reading or writing records to marking what they say: what is older must not take back what is newer. */
  readonly #marking = new Mutex();
  /** The records that the index has the marks of; undefined before the first time, and after a mark was added by itself. */
  #marked: string | undefined;
  /** The index that a rescan was made for already: a second one would find no more. */
  #rescanned: ChunkIndex | undefined;

  constructor(parts: CoreParts) {
    const { id, location, backend, keys } = parts;
    this.id = id;
    this.location = location;
    this.backend = backend;
    this.#presentId = new PresentId(backend);
    this.keys = keys;
    this.opener = new BlobOpener(keys, id);
    this.#warnings = new Set(parts.warnings);
    const sealer = new FileSealer(keys, id);
    const warn = (text: string): void => this.warn(text);
    this.points = new PointStore(backend, sealer);
    this.pins = new PinStore(backend, sealer, warn);
    this.#indexStore = new IndexStore(backend, sealer, warn);
    this.#leases = new LeaseKeeper(backend);
    this.#condemned = new RecordStore(
      backend,
      sealer,
      { folder: 'gc', prefix: 'condemned-', kind: sealedKind.condemned, parser: condemnedRecord },
      warn,
    );
    this.#damage = new RecordStore(
      backend,
      sealer,
      { folder: 'damage', prefix: '', kind: sealedKind.damage, parser: damageRecord },
      warn,
    );
    this.mapSource = new CoreMapSource(this, async (signal) => this.#recoverIndex(signal));
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  get index(): ChunkIndex {
    return this.#indexStore.index;
  }

  get segments(): readonly SegmentState[] {
    return this.#indexStore.segments;
  }

  /** Whether index segments are so many that they should be merged. */
  get needsMerge(): boolean {
    return this.#indexStore.needsMerge;
  }

  warn(text: string): void {
    this.#warnings.add(text);
  }

  /**
   * A disk that is not mounted any more must not look like a repository without restore points, and another repository that is
   * mounted in its place must not be taken for this one. Throws `TM4014`.
   */
  async confirmPresent(signal: AbortSignal): Promise<void> {
    const present = await this.#presentId.read(signal);
    if (present === this.id || present === 'damaged') return;
    const instead = present === undefined ? '' : ', but another one is';
    throw new TidemarkError(
      errorCodes.repositoryUnavailable,
      `The repository is not at ${this.location} any more${instead}.`,
      { hint: 'Check that its disk is mounted there.' },
    );
  }

  async refreshIndex(signal: AbortSignal): Promise<void> {
    await this.confirmPresent(signal);
    await this.#indexStore.refresh(signal);
    await this.#mark(signal);
  }

  async rescanPacks(signal: AbortSignal): Promise<RescanResult> {
    const result = await this.#indexStore.rescan(signal);
    await this.#mark(signal);
    return result;
  }

  addPack(pack: NewPack): void {
    this.#indexStore.addPack(pack);
  }

  async flushIndex(signal: AbortSignal): Promise<void> {
    await this.#indexStore.flush(signal);
  }

  async rewriteIndex(dropped: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await this.#indexStore.rewrite(dropped, signal);
    await this.#mark(signal);
  }

  async listRestorePoints(signal: AbortSignal): Promise<RestorePointList> {
    await this.confirmPresent(signal);
    return this.points.list(signal);
  }

  openMap(disk: Pick<StoredDisk, 'sizeBytes' | 'chunkBytes' | 'map'>): BlockMap {
    return new StoredBlockMap(disk, this.mapSource);
  }

  async readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array> {
    return readMetadataBlob(this, id, signal);
  }

  async acquireLease(kind: LeaseKind, note: string, signal: AbortSignal): Promise<Lease> {
    return this.#leases.acquire(kind, note, signal);
  }

  async liveLeases(signal: AbortSignal): Promise<readonly LeaseInfo[]> {
    return this.#leases.live(signal);
  }

  async condemned(signal: AbortSignal): Promise<readonly StoredRecord<CondemnedRecord>[]> {
    return this.#condemned.list(signal);
  }

  async putCondemned(record: CondemnedRecord, signal: AbortSignal): Promise<string> {
    return this.#marking.run(async () => {
      const file = await this.#condemned.put(record, signal);
      this.#marked = undefined;
      this.#indexStore.addMarks((marks) => marks.condemn(record.packs));
      return file;
    });
  }

  async damage(signal: AbortSignal): Promise<readonly StoredRecord<DamageRecord>[]> {
    return this.#damage.list(signal);
  }

  async putDamage(record: DamageRecord, signal: AbortSignal): Promise<string> {
    return this.#marking.run(async () => {
      const file = await this.#damage.put(record, signal);
      this.#marked = undefined;
      this.#indexStore.addMarks((marks) => marks.damage(record.blobs));
      return file;
    });
  }

  async deleteRecord(file: string, signal: AbortSignal): Promise<void> {
    await this.backend.delete(file, signal);
  }

  /** Marks condemned packs and damaged blobs in the index, and nothing else. Records never change: when there are the same as before, nothing is to do. */
  async #mark(signal: AbortSignal): Promise<void> {
    await this.#marking.run(async () => {
      const condemned = await this.#condemned.list(signal);
      const damage = await this.#damage.list(signal);
      const files = [...condemned, ...damage].map(({ file }) => file).join();
      if (files === this.#marked) return;
      const marks = new IndexMarks();
      for (const { record } of condemned) marks.condemn(record.packs);
      for (const { record } of damage) marks.damage(record.blobs);
      this.#indexStore.mark(marks);
      this.#marked = files;
    });
  }

  async #recoverIndex(signal: AbortSignal): Promise<boolean> {
    const before = this.index;
    const entries = before.entryCount;
    await this.refreshIndex(signal);
    throwIfAborted(signal);
    if (this.index !== before || this.index.entryCount !== entries) return true;
    if (this.#rescanned === this.index) return false;
    this.#rescanned = this.index;
    const { adopted } = await this.rescanPacks(signal);
    if (adopted.length > 0) {
      this.warn('Part of the index was missing; it was rebuilt from the packs. Nothing is lost.');
    }
    return adopted.length > 0;
  }
}

/** The core as block maps see it: always the index of now. */
class CoreMapSource implements MapSource {
  readonly #core: RepositoryCore;
  readonly #recover: (signal: AbortSignal) => Promise<boolean>;

  constructor(core: RepositoryCore, recover: (signal: AbortSignal) => Promise<boolean>) {
    this.#core = core;
    this.#recover = recover;
  }

  get index(): ChunkIndex {
    return this.#core.index;
  }

  async readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array> {
    return this.#core.readBlob(id, signal);
  }

  async refreshIndex(signal: AbortSignal): Promise<void> {
    await this.#core.refreshIndex(signal);
  }

  async recoverIndex(signal: AbortSignal): Promise<boolean> {
    return this.#recover(signal);
  }
}
