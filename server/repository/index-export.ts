/** Gives the content of an index back in the form it is stored in. */
import type { ChunkIndex, IndexedPack } from './chunk-index.ts';
import type { SegmentPack } from './index-segment.ts';
import { tocEntryBytes, writeTocEntry } from './pack-toc.ts';

/** Entries of a segment at most: about 6 MiB before it is sealed. */
const segmentEntries = 128 * 1024;

/** The packs of an index but those in `dropped`, one at a time. */
export function* indexPacks(index: ChunkIndex, dropped: ReadonlySet<string>): Generator<SegmentPack> {
  for (const pack of index.packs) {
    if (!dropped.has(pack.packId)) yield { ...pack, toc: tocOf(index, pack) };
  }
}

/** The table of contents of a pack, as it is in the pack. */
export function tocOf(index: ChunkIndex, pack: IndexedPack): Buffer {
  const toc = Buffer.alloc(pack.count * tocEntryBytes);
  for (let number = 0; number < pack.count; number++) {
    writeTocEntry(toc, number * tocEntryBytes, index.entry(pack.first + number));
  }
  return toc;
}

/** Groups of packs that fit a segment each. */
export function* segmentGroups(packs: Iterable<SegmentPack>): Generator<readonly SegmentPack[]> {
  let group: SegmentPack[] = [];
  let entries = 0;
  for (const pack of packs) {
    const count = pack.toc.length / tocEntryBytes;
    if (group.length > 0 && entries + count > segmentEntries) {
      yield group;
      group = [];
      entries = 0;
    }
    group.push(pack);
    entries += count;
  }
  if (group.length > 0) yield group;
}
