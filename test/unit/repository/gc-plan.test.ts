import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { Bitmap } from '../../../server/repository/gc/bitmap.ts';
import { planCollection } from '../../../server/repository/gc/plan.ts';
import type { PackUsage } from '../../../server/repository/gc/plan.ts';

const mib = 1024 * 1024;

function pack(number: number, part: Partial<PackUsage>): PackUsage {
  const recordBytes = part.recordBytes ?? 16 * mib;
  return {
    packId: String(number),
    number,
    kind: 'data',
    fileBytes: recordBytes + 1000,
    liveBytes: recordBytes,
    recordBytes,
    damaged: false,
    stuck: false,
    ...part,
  };
}

const usage = fc
  .record({
    kind: fc.constantFrom('data' as const, 'meta' as const),
    recordBytes: fc.integer({ min: 1, max: 20 * mib }),
    liveShare: fc.constantFrom(0, 0.1, 0.5, 0.59, 0.61, 0.9, 1),
    damaged: fc.boolean(),
    stuck: fc.boolean(),
  })
  .map(({ liveShare, ...rest }) => ({ ...rest, liveBytes: Math.floor(rest.recordBytes * liveShare) }));

test('no pack is both given up and rewritten, nothing needed is given up, and what cannot be moved stays', () => {
  fc.assert(
    fc.property(fc.array(usage, { maxLength: 40 }), (parts) => {
      const packs = parts.map((part, number) => pack(number, part));
      const plan = planCollection(packs);
      for (const dead of plan.dead) assert.equal(dead.liveBytes, 0);
      for (const moved of plan.repack) assert.ok(moved.liveBytes > 0 && !moved.stuck);
      assert.equal(new Set([...plan.dead, ...plan.repack]).size, plan.dead.length + plan.repack.length);
      const kept = packs.filter((one) => one.kind === 'data' && !plan.dead.includes(one) && !plan.repack.includes(one));
      const unused = kept.reduce((sum, one) => sum + (one.stuck ? 0 : one.recordBytes - one.liveBytes), 0);
      const live = packs.reduce((sum, one) => sum + (one.stuck ? 0 : one.liveBytes), 0);
      const wasteful = kept.some((one) => !one.stuck && one.liveBytes / one.recordBytes < 0.6);
      assert.ok(!wasteful || unused <= live * 0.05);
    }),
  );
});

test('a few unneeded bytes in many packs are not worth rewriting them', () => {
  const packs = Array.from({ length: 20 }, (_, number) => pack(number, {}));
  assert.equal(planCollection([...packs, pack(20, { liveBytes: 8 * mib })]).repack.length, 0);
  // The last one would leave half a pack of twenty halves, a twentieth: that much may stay.
  assert.equal(planCollection(packs.map((one) => ({ ...one, liveBytes: 8 * mib }))).repack.length, 19);
});

test('one small pack is not rewritten for ever, ten are joined', () => {
  const small = (count: number): readonly PackUsage[] =>
    Array.from({ length: count }, (_, number) => pack(number, { recordBytes: mib }));
  assert.equal(planCollection(small(9)).repack.length, 0);
  assert.equal(planCollection(small(10)).repack.length, 10);
});

test('a bitmap counts each number once and grows', () => {
  const set = new Bitmap(3);
  assert.deepEqual(
    [set.add(2), set.add(2), set.add(5000), set.has(5000), set.has(4999), set.count],
    [true, false, true, true, false, 2],
  );
});
