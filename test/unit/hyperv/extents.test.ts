import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { allocatedPage, changedPage } from '../../../server/agent/hyperv/exports/extents.ts';
import type { ChangeAnswer } from '../../../server/agent/hyperv/exports/extents.ts';
import type { Extent, ExtentPage } from '../../../server/agent/provider.ts';
import { code } from '../vhdx/support.ts';

const sizeBytes = 1024 * 1024;
const request = { offset: 0, maxExtents: 100, sizeBytes, sectorBytes: 512 };
const whole = (...extents: readonly number[]): ChangeAnswer => ({ extents, processedBytes: sizeBytes });

test('nothing changed is an empty page that covers the disk', () => {
  assert.deepEqual(changedPage(whole(), request), { extents: [] });
});

test('changes come in whole sectors, joined where they touch, cut at the end of the disk', () => {
  const page = changedPage(whole(100, 10, 512, 512, 4096, 1, sizeBytes - 10, 4096), request);
  assert.deepEqual(page, {
    extents: [
      { offset: 0, length: 1024 },
      { offset: 4096, length: 512 },
      { offset: sizeBytes - 512, length: 512 },
    ],
  });
});

test('a part of an answer goes on where it ended, with whole sectors', () => {
  const answer = { extents: [0, 4096], processedBytes: 10_000 };
  assert.deepEqual(changedPage(answer, request), { extents: [{ offset: 0, length: 4096 }], nextOffset: 9728 });
  const next = { extents: [4096, 8192], processedBytes: sizeBytes - 9728 };
  assert.deepEqual(changedPage(next, { ...request, offset: 9728 }), {
    extents: [{ offset: 9728, length: 12_288 - 9728 }],
  });
});

test('more ranges than a page holds are asked for again', () => {
  const page = changedPage(whole(0, 512, 2048, 512, 8192, 512), { ...request, maxExtents: 2 });
  assert.deepEqual(page.extents.length, 2);
  assert.equal(page.nextOffset, 2560);
});

test('an answer that contradicts itself is an error, and never a smaller set', () => {
  const refused: readonly (readonly [string, ChangeAnswer, number])[] = [
    ['a half range', whole(0, 512, 4096), 0],
    ['overlapping ranges', whole(0, 4096, 2048, 512), 0],
    ['ranges out of order', whole(8192, 512, 0, 512), 0],
    ['an empty range', whole(4096, 0), 0],
    ['a range behind the end', whole(sizeBytes, 512), 0],
    ['a range before what was asked for', { extents: [0, 512], processedBytes: sizeBytes - 4096 }, 4096],
    ['a range behind what is covered', { extents: [8192, 512], processedBytes: 4096 }, 0],
    ['no progress', { extents: [], processedBytes: 0 }, 0],
    ['progress by less than a sector', { extents: [0, 100], processedBytes: 100 }, 0],
    ['more than the disk', { extents: [], processedBytes: sizeBytes + 1 }, 0],
  ];
  for (const [what, answer, offset] of refused) {
    assert.throws(() => changedPage(answer, { ...request, offset }), code('trackingUnknown'), what);
  }
});

/** Asks a tracker that knows the changed bytes, and answers at most `step` bytes at a time, until the disk is covered. */
function collect(changed: readonly Extent[], steps: readonly number[], maxExtents: number, size: number): ExtentPage[] {
  const pages: ExtentPage[] = [];
  for (let offset: number | undefined = 0, at = 0; offset !== undefined; at++) {
    assert.ok(at < 10_000, 'it advances');
    const end: number = Math.min(size, offset + (steps[at % steps.length] ?? size));
    const from = offset;
    const extents = changed
      .filter((extent) => extent.offset < end && extent.offset + extent.length > from)
      .flatMap((extent) => [extent.offset, extent.length]);
    const page = changedPage(
      { extents, processedBytes: end - from },
      { offset, maxExtents, sizeBytes: size, sectorBytes: 512 },
    );
    pages.push(page);
    offset = page.nextOffset;
  }
  return pages;
}

test('whatever the pieces of the answers, every changed byte is in the pages, which ascend and stay on the disk', () => {
  const gap = fc.integer({ min: 1, max: 3000 });
  const tracker = fc.array(fc.tuple(gap, gap), { maxLength: 40 });
  fc.assert(
    fc.property(
      tracker,
      fc.array(fc.integer({ min: 512, max: 9000 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 6 }),
      (gaps, steps, maxExtents) => {
        const changed: Extent[] = [];
        let end = 0;
        for (const [skip, length] of gaps) {
          changed.push({ offset: end + skip, length });
          end += skip + length;
        }
        const size = Math.ceil((end + 1) / 512) * 512;
        const pages = collect(changed, steps, maxExtents, size);
        const found = new Uint8Array(size);
        let last = 0;
        for (const { extents } of pages) {
          assert.ok(extents.length <= maxExtents);
          for (const { offset, length } of extents) {
            assert.ok(length > 0 && offset >= last && offset + length <= size, 'ascending and on the disk');
            assert.ok(offset % 512 === 0 && length % 512 === 0, 'whole sectors');
            found.fill(1, offset, offset + length);
            last = offset + length;
          }
        }
        for (const { offset, length } of changed) {
          assert.ok(found.subarray(offset, offset + length).every((byte) => byte === 1));
        }
      },
    ),
  );
});

test('allocated ranges come in pages, none past the end of the disk', async () => {
  const list = async function* (): AsyncGenerator<Extent> {
    yield { offset: 0, length: 1000 };
    yield { offset: 4096, length: 4096 };
    yield { offset: sizeBytes - 100, length: 4096 };
  };
  assert.deepEqual(await allocatedPage(list(), { ...request, maxExtents: 2 }), {
    extents: [
      { offset: 0, length: 1000 },
      { offset: 4096, length: 4096 },
    ],
    nextOffset: 8192,
  });
  const all = await allocatedPage(list(), request);
  assert.deepEqual(all.extents.at(-1), { offset: sizeBytes - 100, length: 100 });
  assert.equal(all.nextOffset, undefined);
});
