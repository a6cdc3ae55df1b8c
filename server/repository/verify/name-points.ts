/** Walks the maps of all restore points and writes down which of them damage hits. */
import { TidemarkError } from '../../protocol/errors.ts';
import type { ChunkIndex } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import { Bitmap } from '../gc/bitmap.ts';
import { walkPoint } from '../gc/walk.ts';
import type { MapVisitor } from '../gc/walk.ts';
import type { StoredRestorePoint } from '../model.ts';
import type { BlobDamage } from './blob-damage.ts';

/** What the walk needs. */
export interface NamePointsOptions {
  readonly index: ChunkIndex;
  readonly damage: BlobDamage;
  readonly points: readonly StoredRestorePoint[];
  readonly signal: AbortSignal;
  /** A map root inside the restore point itself is wrong. */
  readonly onBadPoint: (point: StoredRestorePoint, error: TidemarkError) => void;
  readonly onAdvance: (diskBytes: number) => void;
}

/**
 * Checks that everything the points name is in the index, and adds each point to the problems of the damaged blobs it needs.
 * Pages that were found whole, with all that they name, are read once whatever the number of points.
 */
export async function namePoints(core: RepositoryCore, options: NamePointsOptions): Promise<void> {
  const { index, damage, points, signal } = options;
  const clean = new Bitmap(index.entryCount);
  for (const point of points) await walkPoint(core, index, point, visitorFor(point, damage, clean, options), signal);
}

function visitorFor(
  point: StoredRestorePoint,
  damage: BlobDamage,
  clean: Bitmap,
  options: NamePointsOptions,
): MapVisitor {
  let pageClean = true;
  return {
    metadata(ordinal, id) {
      pageClean = true;
      if (ordinal < 0) damage.missing(id).points.add(point.id);
      else if (damage.has(ordinal)) damage.groupOf(ordinal).points.add(point.id);
      else return !clean.has(ordinal);
      return false;
    },
    chunk(ordinal, ids, position) {
      if (ordinal >= 0 && !damage.has(ordinal)) return;
      pageClean = false;
      const group = ordinal < 0 ? damage.missing(ids.subarray(position, position + 32)) : damage.groupOf(ordinal);
      group.points.add(point.id);
    },
    unreadable(ordinal, _id, error) {
      const failure = TidemarkError.from(error);
      if (ordinal < 0) {
        options.onBadPoint(point, failure);
        return;
      }
      damage.add(ordinal, failure.report());
      damage.groupOf(ordinal).points.add(point.id);
    },
    pageDone(ordinal) {
      if (pageClean && ordinal >= 0) clean.add(ordinal);
    },
    advance: options.onAdvance,
  };
}
