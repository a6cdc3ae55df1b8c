/** Writes the block map of a disk while its changes come in: memory for one page and the root, whatever the disk's size. */
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { ChangedChunks, DiskGeometry } from './api.ts';
import { blobType, idBytes, isZeroId } from './blob.ts';
import { isZero } from './blob-sealer.ts';
import { blobIdAt, chunkCountOf, pageChunks } from './block-map.ts';
import type { StoredBlockMap } from './block-map.ts';
import type { MetadataWriter } from './metadata-writer.ts';
import { maxInlineRootBytes } from './model.ts';
import type { StoredMap } from './model.ts';

/** Writes one map. */
export class MapWriter {
  readonly #base: StoredBlockMap | undefined;
  readonly #geometry: DiskGeometry;
  readonly #metadata: MetadataWriter;
  readonly #signal: AbortSignal;
  readonly #chunkCount: number;
  #root: Uint8Array = new Uint8Array(0);
  #dataBytes: number;
  #page = -1;
  #pageIds: Uint8Array = new Uint8Array(0);

  constructor(base: StoredBlockMap | undefined, geometry: DiskGeometry, metadata: MetadataWriter, signal: AbortSignal) {
    this.#base = base;
    this.#geometry = geometry;
    this.#metadata = metadata;
    this.#signal = signal;
    this.#chunkCount = chunkCountOf(geometry);
    this.#dataBytes = base?.stored.dataBytes ?? 0;
  }

  /** Applies all changes; gives the map, whose blobs are durable after the session's `flush`. */
  async write(changes: AsyncIterable<ChangedChunks>): Promise<StoredMap> {
    const pages = Math.ceil(this.#chunkCount / pageChunks);
    this.#root =
      this.#base === undefined ? new Uint8Array(pages * idBytes) : new Uint8Array(await this.#base.root(this.#signal));
    for await (const { chunks, ids } of changes) {
      throwIfAborted(this.#signal);
      for (const [position, chunk] of chunks.entries()) await this.#set(chunk, ids, position * idBytes);
    }
    await this.#finishPage();
    return { root: await this.#storeRoot(), dataBytes: this.#dataBytes };
  }

  async #set(chunk: number, ids: Uint8Array, position: number): Promise<void> {
    const page = Math.floor(chunk / pageChunks);
    if (chunk >= this.#chunkCount || page < this.#page || position + idBytes > ids.length) {
      throw new TidemarkError(errorCodes.internal, `Chunk ${chunk} came out of order or lies beyond the disk.`);
    }
    if (page !== this.#page) {
      await this.#finishPage();
      await this.#beginPage(page);
    }
    const at = (chunk % pageChunks) * idBytes;
    if (!isZeroId(this.#pageIds, at)) this.#dataBytes -= this.#bytesOf(chunk);
    this.#pageIds.set(ids.subarray(position, position + idBytes), at);
    if (!isZeroId(this.#pageIds, at)) this.#dataBytes += this.#bytesOf(chunk);
  }

  async #beginPage(page: number): Promise<void> {
    const chunks = Math.min(pageChunks, this.#chunkCount - page * pageChunks);
    const before = await this.#base?.page(page, this.#signal);
    this.#pageIds = before === undefined ? new Uint8Array(chunks * idBytes) : new Uint8Array(before);
    this.#page = page;
  }

  async #finishPage(): Promise<void> {
    if (this.#page < 0) return;
    const zero = isZero(this.#pageIds);
    const id = zero ? new Uint8Array(idBytes) : await this.#metadata.put(blobType.mapPage, this.#pageIds, this.#signal);
    this.#root.set(id, this.#page * idBytes);
  }

  async #storeRoot(): Promise<StoredMap['root']> {
    if (this.#root.length <= maxInlineRootBytes) {
      return { type: 'inline', pages: Buffer.from(this.#root).toString('base64') };
    }
    const id = await this.#metadata.put(blobType.mapRoot, this.#root, this.#signal);
    return { type: 'blob', id: blobIdAt(id, 0) };
  }

  #bytesOf(chunk: number): number {
    const { sizeBytes, chunkBytes } = this.#geometry;
    return Math.min(chunkBytes, sizeBytes - chunk * chunkBytes);
  }
}
