/** Cuts what has to be read of a disk into parts: the unit that one export thread works on at a time. */
import type { ChunkSet } from './chunk-set.ts';

/** Largest part: its start costs nothing any more, and what waits for an earlier part stays small. */
const maxPartBytes = 32 * 1024 * 1024;
const minPartBytes = 2 * 1024 * 1024;
/** Parts for each thread at least, so that all threads end at about the same time. */
const partsPerThread = 8;

/** How large the parts of `bytes` to read should be for this many threads. */
export function partBytes(bytes: number, threads: number): number {
  return Math.min(maxPartBytes, Math.max(minPartBytes, Math.ceil(bytes / (threads * partsPerThread))));
}

/** Ranges in one `read` request at most (protocol/data.ts allows 16,384 pairs). */
const maxRangesPerPart = 4096;

/** A part of a disk: ranges on the chunk grid, ascending. */
export interface DiskPart {
  /** Alternates offset and length, bytes. */
  readonly ranges: readonly number[];
  readonly bytes: number;
}

/** The parts of a disk, ascending and not overlapping; together they are the set. */
export function* partsOf(set: ChunkSet, maxBytes: number): Generator<DiskPart> {
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
