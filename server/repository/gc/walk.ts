/** Walks the block maps of restore points: every metadata blob and every chunk that they name, as entries of the index. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { idBytes, isZeroId } from '../blob.ts';
import { blobIdAt, chunkCountOf, pageChunks } from '../block-map.ts';
import type { ChunkIndex } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import type { StoredDisk, StoredRestorePoint } from '../model.ts';

const zeroId = new Uint8Array(idBytes);

/** What a walk tells. `ordinal` is the entry's number in the index, -1 when no pack holds the blob. */
export interface MapVisitor {
  /** A metadata blob: configuration, map root or map page. False leaves out what a root or page names. */
  metadata(ordinal: number, id: Uint8Array): boolean;
  /** The chunk whose id is at `position` of `ids`; never zeros. */
  chunk(ordinal: number, ids: Uint8Array, position: number): void;
  /** A map root (ordinal -1: one inside the restore point) or page cannot be read. What it names stays unknown; throw to end the walk. */
  unreadable(ordinal: number, id: Uint8Array, error: unknown): void;
  /** Every chunk of the page was told. */
  pageDone?(ordinal: number): void;
  /** `bytes` more of the disks were walked, zeros included. */
  advance?(bytes: number): void;
}

/** Walks everything that `point` names. Reads a page only when the visitor wants it. */
export async function walkPoint(
  core: Pick<RepositoryCore, 'readBlob'>,
  index: ChunkIndex,
  point: StoredRestorePoint,
  visitor: MapVisitor,
  signal: AbortSignal,
): Promise<void> {
  const walk = new Walk(core, index, visitor, signal);
  const configuration = Buffer.from(point.configuration, 'hex');
  visitor.metadata(index.find(configuration), configuration);
  for (const disk of point.disks) await walk.disk(disk);
}

class Walk {
  readonly #core: Pick<RepositoryCore, 'readBlob'>;
  readonly #index: ChunkIndex;
  readonly #visitor: MapVisitor;
  readonly #signal: AbortSignal;

  constructor(core: Pick<RepositoryCore, 'readBlob'>, index: ChunkIndex, visitor: MapVisitor, signal: AbortSignal) {
    this.#core = core;
    this.#index = index;
    this.#visitor = visitor;
    this.#signal = signal;
  }

  async disk(disk: StoredDisk): Promise<void> {
    const chunks = chunkCountOf(disk);
    const pages = Math.ceil(chunks / pageChunks);
    const pageIds = await this.#root(disk, pages * idBytes);
    if (pageIds === undefined) {
      this.#visitor.advance?.(disk.sizeBytes);
      return;
    }
    for (let page = 0; page < pages; page++) {
      const firstChunk = page * pageChunks;
      const count = Math.min(pageChunks, chunks - firstChunk);
      if (!isZeroId(pageIds, page * idBytes)) {
        await this.#page(pageIds.subarray(page * idBytes, (page + 1) * idBytes), count);
      }
      this.#visitor.advance?.(
        Math.min(disk.sizeBytes, (firstChunk + count) * disk.chunkBytes) - firstChunk * disk.chunkBytes,
      );
    }
  }

  async #root(disk: StoredDisk, bytes: number): Promise<Uint8Array | undefined> {
    const { root } = disk.map;
    if (root.type === 'blob') return this.#read(Buffer.from(root.id, 'hex'), bytes);
    const pageIds = Buffer.from(root.pages, 'base64');
    if (pageIds.length === bytes) return pageIds;
    this.#visitor.unreadable(-1, zeroId, wrongLength(zeroId, pageIds.length, bytes));
    return undefined;
  }

  async #page(pageId: Uint8Array, count: number): Promise<void> {
    const ids = await this.#read(pageId, count * idBytes);
    if (ids === undefined) return;
    for (let position = 0; position < ids.length; position += idBytes) {
      if (isZeroId(ids, position)) continue;
      this.#visitor.chunk(this.#index.find(ids, position), ids, position);
    }
    this.#visitor.pageDone?.(this.#index.find(pageId));
  }

  /** Visits a root or page; its content when the visitor wants it and it can be read. */
  async #read(id: Uint8Array, bytes: number): Promise<Uint8Array | undefined> {
    throwIfAborted(this.#signal);
    const ordinal = this.#index.find(id);
    if (!this.#visitor.metadata(ordinal, id) || ordinal < 0) return undefined;
    try {
      const content = await this.#core.readBlob(blobIdAt(id, 0), this.#signal);
      if (content.length !== bytes) throw wrongLength(id, content.length, bytes);
      return content;
    } catch (error) {
      throwIfAborted(this.#signal);
      this.#visitor.unreadable(ordinal, id, error);
      return undefined;
    }
  }
}

function wrongLength(id: Uint8Array, bytes: number, expected: number): TidemarkError {
  return new TidemarkError(
    errorCodes.repositoryCorrupt,
    `Part ${blobIdAt(id, 0)} of a block map has ${bytes} bytes instead of ${expected}.`,
    { hint: 'Delete the restore points that `tidemark repo verify` names and back up again.' },
  );
}
