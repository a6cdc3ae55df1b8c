/** Cuts what has to be read of a disk into parts: the unit that one export thread works on at a time. */
import type { ChunkSet } from './chunk-set.ts';

/** Bytes of a part: large enough that its start costs nothing, small enough that two threads end together. */
export const partBytes = 32 * 1024 * 1024;
/** Ranges in one `read` request at most (protocol/data.ts allows 16,384 pairs). */
const maxRangesPerPart = 4096;

/** A part of a disk: ranges on the chunk grid, ascending. */
export interface DiskPart {
  /** Alternates offset and length, bytes. */
  readonly ranges: readonly number[];
  readonly bytes: number;
}

/** The parts of a disk, ascending and not overlapping; together they are the set. */
export function* partsOf(set: ChunkSet, maxBytes: number = partBytes): Generator<DiskPart> {
  let ranges: number[] = [];
  let bytes = 0;
  for (const range of set.ranges(maxBytes)) {
    if (bytes > 0 && (bytes + range.length > maxBytes || ranges.length >= maxRangesPerPart * 2)) {
      yield { ranges, bytes };
      ranges = [];
      bytes = 0;
    }
    ranges.push(range.offset, range.length);
    bytes += range.length;
  }
  if (bytes > 0) yield { ranges, bytes };
}
