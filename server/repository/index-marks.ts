/** What the records of a repository say of packs and of copies of blobs, kept beside the index. */
import type { ChunkIndex } from './chunk-index.ts';
import type { DamageRecord } from './records.ts';

/** Condemned packs and damaged blobs, by pack: so that a pack that the index takes in later has its marks at once. */
export class IndexMarks {
  readonly #condemned = new Set<string>();
  readonly #damaged = new Map<string, Uint8Array[]>();

  condemn(packIds: Iterable<string>): void {
    for (const packId of packIds) this.#condemned.add(packId);
  }

  damage(blobs: DamageRecord['blobs']): void {
    for (const { pack, id } of blobs) {
      const ids = this.#damaged.get(pack) ?? [];
      this.#damaged.set(pack, ids);
      ids.push(Buffer.from(id, 'hex'));
    }
  }

  /** Marks what the index has of one pack. */
  apply(index: ChunkIndex, packId: string): void {
    if (this.#condemned.has(packId)) index.condemn([packId]);
    for (const id of this.#damaged.get(packId) ?? []) index.markDamaged(packId, id);
  }

  /** Marks everything that the index has. */
  applyAll(index: ChunkIndex): void {
    index.condemn(this.#condemned);
    for (const [packId, ids] of this.#damaged) for (const id of ids) index.markDamaged(packId, id);
  }
}
