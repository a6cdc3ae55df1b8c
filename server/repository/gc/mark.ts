/** Finds out what is needed: marks every blob that a restore point names. */
import { blobIdAt, missingChunk } from '../block-map.ts';
import type { ChunkIndex } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import type { StoredRestorePoint } from '../model.ts';
import { Bitmap } from './bitmap.ts';
import { walkPoint } from './walk.ts';

/** What the restore points need. */
export interface LiveBlobs {
  /** Of each needed id the best entry; other copies of it are not needed. */
  readonly live: Bitmap;
  /** Chunks, counted once for each page that names them, that no pack holds. */
  readonly missingChunks: number;
}

/** Options of `markLive`. */
export interface MarkOptions {
  readonly signal: AbortSignal;
  /** Called for a map page that is missing or unreadable: what it names is then not marked. Throw to give up. */
  readonly onUnreadable: (point: StoredRestorePoint, error: unknown) => void;
  readonly onAdvance?: ((diskBytes: number) => void) | undefined;
}

/** Marks what `points` need. Pages that several points share are read once. */
export async function markLive(
  core: Pick<RepositoryCore, 'readBlob'>,
  index: ChunkIndex,
  points: readonly StoredRestorePoint[],
  options: MarkOptions,
): Promise<LiveBlobs> {
  const live = new Bitmap(index.entryCount);
  let missingChunks = 0;
  for (const point of points) {
    const visitor = {
      metadata: (ordinal: number, id: Uint8Array): boolean => {
        if (ordinal >= 0) return live.add(ordinal);
        options.onUnreadable(point, missingChunk(blobIdAt(id, 0)));
        return false;
      },
      chunk: (ordinal: number): void => {
        if (ordinal >= 0) live.add(ordinal);
        else missingChunks += 1;
      },
      unreadable: (_ordinal: number, _id: Uint8Array, error: unknown): void => options.onUnreadable(point, error),
      advance: (bytes: number): void => options.onAdvance?.(bytes),
    };
    await walkPoint(core, index, point, visitor, options.signal);
  }
  return { live, missingChunks };
}
