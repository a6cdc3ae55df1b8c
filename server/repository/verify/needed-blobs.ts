/** Which blobs a verification of some restore points has to read. */
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import { Bitmap } from '../gc/bitmap.ts';
import { walkPoint } from '../gc/walk.ts';
import type { MapVisitor } from '../gc/walk.ts';
import type { StoredRestorePoint } from '../model.ts';

/** What the choice is made from. */
export interface NeededOptions {
  readonly index: ChunkIndex;
  readonly points: readonly StoredRestorePoint[];
  /** A restore point that was read back whole, whose blobs need not be read again; undefined when there is none. */
  readonly alreadyRead: (point: StoredRestorePoint) => StoredRestorePoint | undefined;
  readonly signal: AbortSignal;
}

/**
 * The entries of the index that the points need: the copy that a restore would read. Those that a restore point which was read
 * already needs as well are left out, but not those that the repository holds more than once: there a new copy may stand in for a damaged one.
 */
export async function neededBlobs(core: RepositoryCore, options: NeededOptions): Promise<Bitmap> {
  const { index, points, alreadyRead, signal } = options;
  const needed = new Bitmap(index.entryCount);
  for (const point of points) {
    const earlier = alreadyRead(point);
    const known = new Bitmap(index.entryCount);
    if (earlier !== undefined)
      await walkPoint(
        core,
        index,
        earlier,
        collector((ordinal) => known.add(ordinal)),
        signal,
      );
    const add = (ordinal: number, ids: Uint8Array, position: number): void => {
      if (!known.has(ordinal) || hasCopies(index, ids, position)) needed.add(ordinal);
    };
    await walkPoint(core, index, point, collector(add), signal);
  }
  return needed;
}

/** The packs that hold at least one of the blobs. */
export function packsOf(index: ChunkIndex, blobs: Bitmap): readonly IndexedPack[] {
  return index.packs.filter((pack) => {
    for (let ordinal = pack.first; ordinal < pack.first + pack.count; ordinal++) if (blobs.has(ordinal)) return true;
    return false;
  });
}

/** What cannot be found or read is told by the walk that names the restore points. */
function collector(add: (ordinal: number, ids: Uint8Array, position: number) => void): MapVisitor {
  return {
    metadata(ordinal, id) {
      if (ordinal >= 0) add(ordinal, id, 0);
      return true;
    },
    chunk(ordinal, ids, position) {
      if (ordinal >= 0) add(ordinal, ids, position);
    },
    unreadable: () => undefined,
  };
}

function hasCopies(index: ChunkIndex, ids: Uint8Array, position: number): boolean {
  let copies = 0;
  for (const _ of index.ordinals(ids, position)) if (++copies > 1) return true;
  return false;
}
