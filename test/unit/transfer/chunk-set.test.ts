import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import * as fc from 'fast-check';

import { ChunkSet } from '../../../server/daemon/transfer/chunk-set.ts';
import { partsOf } from '../../../server/daemon/transfer/parts.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';

const chunkBytes = 65_536;

/** Disk sizes that end anywhere in a chunk, with extents on them. */
const diskWithExtents = fc.integer({ min: 1, max: 300 * chunkBytes }).chain((diskBytes) =>
  fc.record({
    diskBytes: fc.constant(diskBytes),
    extents: fc.array(
      fc
        .tuple(fc.integer({ min: 0, max: diskBytes - 1 }), fc.integer({ min: 0, max: 40 * chunkBytes }))
        .map(([offset, length]) => ({ offset, length: Math.min(length, diskBytes - offset) })),
      { maxLength: 12 },
    ),
  }),
);

function touchedChunks(extents: readonly { readonly offset: number; readonly length: number }[]): Set<number> {
  const touched = new Set<number>();
  for (const { offset, length } of extents) {
    for (let byte = offset; byte < offset + length; byte = (Math.floor(byte / chunkBytes) + 1) * chunkBytes) {
      touched.add(Math.floor(byte / chunkBytes));
    }
  }
  return touched;
}

describe('the set of chunks to read', () => {
  test('holds exactly the chunks that the extents touch', () => {
    fc.assert(
      fc.property(diskWithExtents, ({ diskBytes, extents }) => {
        const set = new ChunkSet(diskBytes, chunkBytes);
        for (const { offset, length } of extents) set.addExtent(offset, length);
        const touched = touchedChunks(extents);
        for (let chunk = 0; chunk < set.chunkCount; chunk++) assert.equal(set.has(chunk), touched.has(chunk));
      }),
    );
  });

  test('gives ranges and parts that cover each chunk once, in order and within their limit', () => {
    fc.assert(
      fc.property(diskWithExtents, fc.integer({ min: 1, max: 20 }), ({ diskBytes, extents }, limitChunks) => {
        const set = new ChunkSet(diskBytes, chunkBytes);
        for (const { offset, length } of extents) set.addExtent(offset, length);
        const limit = limitChunks * chunkBytes;
        const seen: number[] = [];
        for (const part of partsOf(set, limit)) {
          assert.ok(part.bytes <= limit);
          let bytes = 0;
          for (let index = 0; index < part.ranges.length; index += 2) {
            const offset = part.ranges[index] ?? Number.NaN;
            const length = part.ranges[index + 1] ?? Number.NaN;
            assert.equal(offset % chunkBytes, 0);
            assert.ok(length % chunkBytes === 0 || offset + length === diskBytes);
            bytes += length;
            for (let byte = offset; byte < offset + length; byte += chunkBytes) seen.push(byte / chunkBytes);
          }
          assert.equal(bytes, part.bytes);
        }
        const expected = [...touchedChunks(extents)].toSorted((a, b) => a - b);
        assert.deepEqual(seen, expected);
      }),
    );
  });

  test('refuses an extent past the end of the disk', () => {
    const set = new ChunkSet(10 * chunkBytes, chunkBytes);
    assert.throws(
      () => set.addExtent(9 * chunkBytes, chunkBytes + 1),
      (error) => TidemarkError.is(error, 'TM2004'),
    );
  });

  test('takes in a 64 TiB disk as a whole without holding its chunks one by one', () => {
    const set = new ChunkSet(64 * 1024 ** 4, 4 * 1024 * 1024);
    set.addAll();
    assert.equal(set.bytes(), 64 * 1024 ** 4);
  });
});
