/**
 * Block maps, two levels: pages of 1,024 chunk ids each (the last shorter), and a root with the ids of the pages. Pages and
 * large roots are metadata blobs named by their content, so what did not change is shared with the restore point before. A page of zeros only has the id of zeros.
 */
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { BlockMap, DiskGeometry, LocatedChunk, MapPage } from './api.ts';
import { idBytes, isZeroId } from './blob.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { isChunkBytes } from './chunk-size.ts';
import type { BlobId, StoredDisk, StoredMap } from './model.ts';

export const pageChunks = 1024;
export const pageBytes = pageChunks * idBytes;
/** Chunks of a batch of `locatedChunks`: at 256 KiB each they are 32 GiB of disk, and take 2 MiB of memory. */
const batchChunks = 128 * 1024;

/** What reading a map needs of its repository. */
export interface MapSource {
  readonly index: ChunkIndex;
  readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array>;
  /** Takes in what others wrote: a garbage collection may have moved blobs to other packs since. */
  refreshIndex(signal: AbortSignal): Promise<void>;
  /** Looks for blobs that the index lacks; true when it may have them now. */
  recoverIndex(signal: AbortSignal): Promise<boolean>;
}

/** Chunks of a disk. */
export function chunkCountOf({ sizeBytes, chunkBytes }: DiskGeometry): number {
  return Math.ceil(sizeBytes / chunkBytes);
}

/** Hex id of the 32 bytes at `position`. */
export function blobIdAt(ids: Uint8Array, position: number): BlobId {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- 32 bytes in hex are a blob id
  return Buffer.from(ids.buffer, ids.byteOffset + position, idBytes).toString('hex') as BlobId;
}

/** The block map of a stored disk. */
export class StoredBlockMap implements BlockMap {
  readonly geometry: DiskGeometry;
  readonly stored: StoredMap;
  readonly #source: MapSource;
  #root: Uint8Array | undefined;

  constructor(disk: Pick<StoredDisk, 'sizeBytes' | 'chunkBytes' | 'map'>, source: MapSource) {
    if (!isChunkBytes(disk.chunkBytes)) throw damagedMap(`chunks of ${disk.chunkBytes} bytes`);
    this.geometry = { sizeBytes: disk.sizeBytes, chunkBytes: disk.chunkBytes };
    this.stored = disk.map;
    this.#source = source;
  }

  /** The page ids, 32 bytes each. */
  async root(signal: AbortSignal): Promise<Uint8Array> {
    if (this.#root !== undefined) return this.#root;
    const { root } = this.stored;
    const ids =
      root.type === 'inline' ? Buffer.from(root.pages, 'base64') : await this.#source.readBlob(root.id, signal);
    const pages = Math.ceil(chunkCountOf(this.geometry) / pageChunks);
    if (ids.length !== pages * idBytes) throw damagedMap(`${ids.length / idBytes} pages instead of ${pages}`);
    this.#root = ids;
    return ids;
  }

  /** Page number `page`; undefined when it is all zeros. */
  async page(page: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const root = await this.root(signal);
    if (isZeroId(root, page * idBytes)) return undefined;
    const ids = await this.#source.readBlob(blobIdAt(root, page * idBytes), signal);
    const chunks = Math.min(pageChunks, chunkCountOf(this.geometry) - page * pageChunks);
    if (ids.length !== chunks * idBytes) throw damagedMap(`a page of ${ids.length} bytes`);
    return ids;
  }

  async *pages(signal: AbortSignal): AsyncGenerator<MapPage> {
    const pages = (await this.root(signal)).length / idBytes;
    for (let page = 0; page < pages; page++) {
      throwIfAborted(signal);
      const ids = await this.page(page, signal);
      if (ids !== undefined) yield { firstChunk: page * pageChunks, ids };
    }
  }

  async *locatedChunks(signal: AbortSignal): AsyncGenerator<Iterable<LocatedChunk>> {
    await this.#source.refreshIndex(signal);
    const capacity = Math.min(batchChunks, chunkCountOf(this.geometry));
    const newBatch = (): ChunkBatch => new ChunkBatch(this.#source.index, capacity);
    let batch = newBatch();
    for await (const { firstChunk, ids } of this.pages(signal)) {
      if (batch.index !== this.#source.index || batch.size + pageChunks > batchChunks) {
        if (batch.size > 0) {
          yield batch.sorted();
          await this.#source.refreshIndex(signal);
        }
        batch = newBatch();
      }
      for (let position = 0; position < ids.length; position += idBytes) {
        if (isZeroId(ids, position)) continue;
        const chunk = firstChunk + position / idBytes;
        if (batch.add(chunk, ids, position)) continue;
        // The index may be replaced by a search; what was found so far keeps its own.
        if (await this.#source.recoverIndex(signal)) {
          if (batch.size > 0) yield batch.sorted();
          batch = newBatch();
          if (batch.add(chunk, ids, position)) continue;
        }
        throw missingChunk(blobIdAt(ids, position));
      }
    }
    if (batch.size > 0) yield batch.sorted();
  }

  async *lostChunks(signal: AbortSignal): AsyncGenerator<number> {
    if (!this.#source.index.hasDamage) return;
    for await (const { firstChunk, ids } of this.pages(signal)) {
      const { index } = this.#source;
      for (let position = 0; position < ids.length; position += idBytes) {
        if (isZeroId(ids, position)) continue;
        const ordinal = index.find(ids, position);
        if (ordinal < 0 || index.entry(ordinal).damaged) yield firstChunk + position / idBytes;
      }
    }
  }

  async usedChunks(signal: AbortSignal): Promise<Uint8Array> {
    const used = new Uint8Array(Math.ceil(chunkCountOf(this.geometry) / 8));
    for await (const { firstChunk, ids } of this.pages(signal)) {
      for (let position = 0; position < ids.length; position += idBytes) {
        if (isZeroId(ids, position)) continue;
        const chunk = firstChunk + position / idBytes;
        used[chunk >>> 3] = (used[chunk >>> 3] ?? 0) | (1 << (chunk & 7));
      }
    }
    return used;
  }
}

/** Chunks located in one index. Ordinals ascend with pack and offset, so sorting by them sorts reads. */
class ChunkBatch {
  readonly index: ChunkIndex;
  readonly #keys: Float64Array;
  readonly #chunks: Uint32Array;
  size = 0;

  /** `capacity` is at most `batchChunks`. */
  constructor(index: ChunkIndex, capacity: number) {
    this.index = index;
    this.#keys = new Float64Array(capacity);
    this.#chunks = new Uint32Array(capacity);
  }

  add(chunk: number, ids: Uint8Array, position: number): boolean {
    const ordinal = this.index.find(ids, position);
    if (ordinal < 0) return false;
    // A double holds ordinal and place exactly: 2^36 × 2^17.
    this.#keys[this.size] = ordinal * batchChunks + this.size;
    this.#chunks[this.size] = chunk;
    this.size += 1;
    return true;
  }

  *sorted(): Generator<LocatedChunk> {
    for (const key of this.#keys.subarray(0, this.size).sort()) {
      const ordinal = Math.floor(key / batchChunks);
      const chunk = this.#chunks[key % batchChunks] ?? 0;
      yield { chunk, id: this.index.idOf(ordinal), location: this.index.location(ordinal) };
    }
  }
}

function damagedMap(what: string): TidemarkError {
  return new TidemarkError(errorCodes.restorePointCorrupt, `A block map does not fit its disk: it has ${what}.`, {
    hint: '`tidemark repo verify` says what is affected.',
  });
}

/** The error for a blob that no pack holds. */
export function missingChunk(id: string): TidemarkError {
  return new TidemarkError(errorCodes.blobMissing, `Blob ${id} is missing: no pack of the repository holds it.`, {
    hint: '`tidemark repo verify` names the restore points that need it. The next full backup stores the data again.',
  });
}
