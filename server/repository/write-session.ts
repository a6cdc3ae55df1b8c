/** A writer's session: claims, packs, maps, and the commit that makes a restore point. */
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { BlockMap, ChangedChunks, DiskGeometry, WriteSession } from './api.ts';
import { blobType, idBytes, isZeroId, maxBlobBytes } from './blob.ts';
import { blobIdAt, missingChunk, StoredBlockMap } from './block-map.ts';
import { isChunkBytes } from './chunk-size.ts';
import type { RepositoryCore } from './core.ts';
import { writerOf } from './leases.ts';
import type { Lease } from './leases.ts';
import { removePiecesOf } from './left-pieces.ts';
import { MapWriter } from './map-writer.ts';
import { MetadataWriter } from './metadata-writer.ts';
import type { BlobId, NewRestorePoint, StoredMap, StoredRestorePoint } from './model.ts';
import type { PointStore } from './point-store.ts';
import { tocEntryBytes } from './pack-toc.ts';

/** Bytes of packs after which the index is written although nobody asked: what a crash costs is read again, not more. */
const publishBytes = 512 * 1024 * 1024;
const maxWarnings = 1024;
const maxWarningLength = 4096;

/** What a session needs of its repository. */
export interface SessionHome {
  readonly core: RepositoryCore;
  readonly points: PointStore;
  readonly lease: Lease;
  /** Merges index segments when they are many. */
  mergeIndex(signal: AbortSignal): Promise<void>;
}

/** Writes under a lease. */
export class LeasedWriteSession implements WriteSession {
  readonly signal: AbortSignal;
  readonly writer: string;
  readonly #home: SessionHome;
  readonly #metadata: MetadataWriter;
  /** Claimed here, not yet in a durable pack: about as many as the packs in the workers' hands hold. */
  readonly #outstanding = new Set<string>();
  #unpublishedBytes = 0;
  #publishing: Promise<void> = Promise.resolve();

  constructor(home: SessionHome, signal: AbortSignal) {
    this.#home = home;
    this.writer = writerOf(home.lease.file);
    this.signal = AbortSignal.any([signal, home.lease.lost]);
    this.#metadata = new MetadataWriter(home.core);
  }

  claim(ids: Uint8Array): Uint8Array {
    const { index } = this.#home.core;
    const mustStore = new Uint8Array(ids.length / idBytes);
    for (let number = 0; number < mustStore.length; number++) {
      const position = number * idBytes;
      if (isZeroId(ids, position)) continue;
      const known = index.find(ids, position);
      if (known >= 0 && index.isUsable(known)) continue;
      const key = idKey(ids, position);
      if (this.#outstanding.has(key)) continue;
      this.#outstanding.add(key);
      mustStore[number] = 1;
    }
    return mustStore;
  }

  addPack(pack: { readonly packId: string; readonly toc: Uint8Array; readonly fileBytes: number }): void {
    this.#home.core.addPack({ ...pack, kind: 'data' });
    for (let position = 0; position < pack.toc.length; position += tocEntryBytes) {
      this.#outstanding.delete(idKey(pack.toc, position));
    }
    this.#unpublishedBytes += pack.fileBytes;
    if (this.#unpublishedBytes < publishBytes) return;
    this.#unpublishedBytes = 0;
    this.#publishing = this.#publishing.then(async () => this.#home.core.flushIndex(this.signal));
    // The failure is thrown by `flush`, which waits for it.
    this.#publishing.catch(() => undefined);
  }

  async saveMap(
    base: BlockMap | undefined,
    geometry: DiskGeometry,
    changes: AsyncIterable<ChangedChunks>,
    signal: AbortSignal,
  ): Promise<StoredMap> {
    if (!isChunkBytes(geometry.chunkBytes)) {
      throw new TidemarkError(errorCodes.invalidInput, `A disk cannot have chunks of ${geometry.chunkBytes} bytes.`, {
        hint: 'A power of two from 64 KiB to 4 MiB can be chosen.',
      });
    }
    const stored = base === undefined ? undefined : await this.#liveBase(base, geometry, signal);
    return new MapWriter(stored, geometry, this.#metadata, signal).write(changes);
  }

  async putMetadata(_kind: 'vm-config', bytes: Uint8Array, signal: AbortSignal): Promise<BlobId> {
    if (bytes.length === 0 || bytes.length > maxBlobBytes) {
      throw new TidemarkError(
        errorCodes.invalidInput,
        `A VM configuration of ${bytes.length} bytes cannot be stored.`,
        {
          hint: `A repository takes 1 to ${maxBlobBytes} bytes.`,
        },
      );
    }
    return blobIdAt(await this.#metadata.put(blobType.vmConfig, bytes, signal), 0);
  }

  async flush(signal: AbortSignal): Promise<void> {
    throwIfAborted(this.signal);
    await this.#metadata.flush(signal);
    await this.#publishing;
    await this.#home.core.flushIndex(signal);
    await this.#home.lease.confirm(signal);
    await this.#home.mergeIndex(signal);
  }

  async commit(point: NewRestorePoint, signal: AbortSignal): Promise<StoredRestorePoint> {
    await this.flush(signal);
    if (this.#outstanding.size > 0) {
      throw new TidemarkError(
        errorCodes.blobMissing,
        `${this.#outstanding.size} chunks were promised and never stored.`,
        {
          hint: 'This is a defect in Tidemark. The restore point was not made; the next run tries again.',
        },
      );
    }
    await this.#checkBlobs(point, signal);
    const id = await this.#home.points.newId(point.vmId, signal);
    const warnings = point.warnings.slice(0, maxWarnings).map((text) => text.slice(0, maxWarningLength));
    throwIfAborted(this.signal);
    await this.#home.lease.confirm(signal);
    const stored = await this.#home.points.put(id, { ...point, warnings }, signal);
    await this.#confirmCommitted(stored);
    return stored;
  }

  /** When writing the point took so long that the lease is gone, what it names may have been deleted before it could be seen. Throws `TM4015`. */
  async #confirmCommitted({ id }: StoredRestorePoint): Promise<void> {
    const { signal } = new AbortController();
    try {
      await this.#home.lease.confirm(signal);
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.leaseLost)) {
        // The lease was there a moment ago and is fresh, so nobody may have taken it away.
        this.#home.core.warn(`The lease could not be looked at after the commit: ${TidemarkError.from(error).message}`);
        return;
      }
      await this.#home.points.delete(id, signal);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#publishing.catch(() => undefined);
      // Packs of a run that failed serve the next one, once the index names them.
      if (!this.#home.lease.lost.aborted) await this.#home.core.flushIndex(new AbortController().signal);
    } catch (error) {
      this.#home.core.warn(`Packs of a run that failed are not in the index yet: ${TidemarkError.from(error).message}`);
    } finally {
      await this.#removePieces();
      await this.#home.lease.release();
    }
  }

  /** A worker that had to be ended by force could not. Never throws. */
  async #removePieces(): Promise<void> {
    const { core } = this.#home;
    try {
      await removePiecesOf(core, this.writer);
    } catch (error) {
      const { message } = TidemarkError.from(error);
      core.warn(`A pack that was not finished could not be removed; the next backup does that. ${message}`);
    }
  }

  /**
   * The map to build on. Under the lease nothing is deleted, but before it the base may have been: its pages might be there
   * still and its chunks not. So a restore point that has this very map must exist now.
   */
  async #liveBase(base: BlockMap, geometry: DiskGeometry, signal: AbortSignal): Promise<StoredBlockMap> {
    const { sizeBytes, chunkBytes } = base.geometry;
    if (sizeBytes !== geometry.sizeBytes || chunkBytes !== geometry.chunkBytes) {
      throw new TidemarkError(errorCodes.internal, 'The map to build on is of a disk of another shape.');
    }
    if (!(await this.#home.points.hasMap(base.stored, signal))) {
      throw new TidemarkError(
        errorCodes.restorePointNotFound,
        'The restore point that the backup builds on was deleted meanwhile.',
        {
          hint: 'Run the backup again: it builds on another one, or reads everything.',
        },
      );
    }
    return new StoredBlockMap({ ...base.geometry, map: base.stored }, this.#home.core.mapSource);
  }

  /** Every metadata blob that the point names must be in the index, in a copy that is whole. */
  async #checkBlobs(point: NewRestorePoint, signal: AbortSignal): Promise<void> {
    const names: Uint8Array[] = [Buffer.from(point.configuration, 'hex')];
    for (const disk of point.disks) {
      if (disk.map.root.type === 'blob') names.push(Buffer.from(disk.map.root.id, 'hex'));
      names.push(await new StoredBlockMap(disk, this.#home.core.mapSource).root(signal));
    }
    for (const ids of names) {
      for (let position = 0; position < ids.length; position += idBytes) {
        if (!isZeroId(ids, position)) await this.#checkBlob(ids, position, signal);
      }
    }
  }

  async #checkBlob(ids: Uint8Array, position: number, signal: AbortSignal): Promise<void> {
    const { core } = this.#home;
    if (core.index.find(ids, position) < 0) await core.mapSource.recoverIndex(signal);
    const ordinal = core.index.find(ids, position);
    if (ordinal < 0) throw missingChunk(blobIdAt(ids, position));
    if (core.index.entry(ordinal).damaged) {
      throw new TidemarkError(
        errorCodes.blobCorrupt,
        `Blob ${blobIdAt(ids, position)} is damaged; the backup cannot build on it.`,
        {
          hint: 'Run a full backup: it stores everything that is damaged again.',
        },
      );
    }
  }
}

function idKey(ids: Uint8Array, position: number): string {
  return Buffer.from(ids.buffer, ids.byteOffset + position, idBytes).toString('latin1');
}
