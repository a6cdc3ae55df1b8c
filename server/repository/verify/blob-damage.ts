/** Damaged and missing blobs, and whom they hit. Memory grows with the damage, not with the repository, and has a bound. */
import type { VerifyProblem } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import { blobIdAt, missingChunk } from '../block-map.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import { Bitmap } from '../gc/bitmap.ts';

/** Blobs that share a problem. */
export interface DamageGroup {
  readonly what: string;
  readonly error: ErrorReport;
  readonly points: Set<RestorePointId>;
}

/** Which entries of an index are damaged, and which ids have none. */
export class BlobDamage {
  readonly #index: ChunkIndex;
  readonly #namedBlobs: number;
  readonly #damaged: Bitmap;
  readonly #groups: DamageGroup[] = [];
  readonly #byOrdinal = new Map<number, DamageGroup>();
  readonly #byPack = new Map<string, DamageGroup>();
  readonly #byMissingId = new Map<string, DamageGroup>();
  /** Packs that could not be read now. That may pass, so nothing is stored again because of it. */
  readonly #unread = new Set<string>();
  #rest: DamageGroup | undefined;

  /** `namedBlobs` get a problem of their own; what is damaged beyond shares one. */
  constructor(index: ChunkIndex, namedBlobs = 4096) {
    this.#index = index;
    this.#namedBlobs = namedBlobs;
    this.#damaged = new Bitmap(index.entryCount);
  }

  has(ordinal: number): boolean {
    return this.#damaged.has(ordinal);
  }

  /** Notes damage of one entry, once. From now on the index prefers other copies of the blob. */
  add(ordinal: number, error: ErrorReport): void {
    if (!this.#damaged.add(ordinal)) return;
    const { id, pack } = this.#index.entry(ordinal);
    this.#index.markDamaged(pack.packId, id);
    const what = `blob ${blobIdAt(id, 0)} in ${pack.name}`;
    const group = this.#byOrdinal.size < this.#namedBlobs ? this.#newGroup(what, error) : this.#restGroup();
    if (group !== this.#rest) this.#byOrdinal.set(ordinal, group);
  }

  /** Whether a pack has a problem as a whole. */
  hasPack(pack: IndexedPack): boolean {
    return this.#byPack.has(pack.name);
  }

  /** Notes that nothing of a pack from byte `fromOffset` on can be read. */
  addPack(pack: IndexedPack, error: ErrorReport, fromOffset = 0): void {
    if (!this.#byPack.has(pack.name)) this.#byPack.set(pack.name, this.#newGroup(pack.name, error));
    if (error.code === errorCodes.repositoryUnavailable) this.#unread.add(pack.name);
    for (let ordinal = pack.first; ordinal < pack.first + pack.count; ordinal++) {
      const { offset, recordBytes } = this.#index.location(ordinal);
      if (offset + recordBytes <= fromOffset || !this.#damaged.add(ordinal)) continue;
      this.#index.markDamaged(pack.packId, this.#index.idOf(ordinal));
    }
  }

  /** The problem of a damaged entry. */
  groupOf(ordinal: number): DamageGroup {
    return this.#byOrdinal.get(ordinal) ?? this.#byPack.get(this.#index.location(ordinal).pack) ?? this.#restGroup();
  }

  /** The problem of an id that no pack holds. */
  missing(id: Uint8Array): DamageGroup {
    const known = this.#byMissingId.get(blobIdAt(id, 0));
    if (known !== undefined) return known;
    if (this.#byMissingId.size >= this.#namedBlobs) return this.#restGroup();
    const group = this.#newGroup(`blob ${blobIdAt(id, 0)}`, missingChunk(blobIdAt(id, 0)).report());
    this.#byMissingId.set(blobIdAt(id, 0), group);
    return group;
  }

  /** Every entry whose data is damaged for good: the pack and the id, hex. */
  *entries(): Generator<{ readonly pack: string; readonly id: string }> {
    for (let ordinal = 0; ordinal < this.#index.entryCount; ordinal++) {
      if (!this.#damaged.has(ordinal)) continue;
      const { id, pack } = this.#index.entry(ordinal);
      if (this.#unread.has(pack.name)) continue;
      yield { pack: pack.packId, id: blobIdAt(id, 0) };
    }
  }

  problems(): readonly VerifyProblem[] {
    return this.#groups.map(({ what, error, points }) => ({ what, error, restorePoints: [...points].sort() }));
  }

  #newGroup(what: string, error: ErrorReport): DamageGroup {
    const group = { what, error, points: new Set<RestorePointId>() };
    this.#groups.push(group);
    return group;
  }

  #restGroup(): DamageGroup {
    this.#rest ??= this.#newGroup(
      'more blobs',
      new TidemarkError(errorCodes.blobCorrupt, `More than ${this.#namedBlobs} blobs are damaged or missing.`, {
        hint: 'Check the disk of the repository. The next full backups store again what the guests still have.',
      }).report(),
    );
    return this.#rest;
  }
}
