import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { RetentionRules } from '../../../../server/policy/policy-schema.ts';
import { decideRetention } from '../../../../server/policy/retention/decide.ts';
import type { RetentionPoint } from '../../../../server/policy/retention/decide.ts';
import { anyZone } from '../schedule/support.ts';
import { anyPoints, anyRules, ruleKeys } from './support.ts';

function kept(points: readonly RetentionPoint[], rules: RetentionRules, timezone: string): ReadonlySet<string> {
  const decisions = decideRetention(points, rules, timezone);
  return new Set(decisions.filter(({ keep }) => keep).map(({ point }) => point.id));
}

const newestFirst = (a: RetentionPoint, b: RetentionPoint): number =>
  b.createdAt - a.createdAt || (a.id > b.id ? -1 : 1);

function assertWithin(part: ReadonlySet<string>, whole: ReadonlySet<string>): void {
  assert.deepEqual(
    [...part].filter((id) => !whole.has(id)),
    [],
  );
}

/** The text of ISO 8601 for the week of a date such as `2026-01-03`, counted day by day from the week's Thursday. */
function weekText(date: string): string {
  const day = new Date(`${date}T12:00Z`);
  while (day.getUTCDay() !== 4)
    day.setUTCDate(day.getUTCDate() + (day.getUTCDay() === 0 || day.getUTCDay() > 4 ? -1 : 1));
  let week = 1;
  for (const walk = new Date(day); walk.getUTCFullYear() === day.getUTCFullYear(); week++) {
    walk.setUTCDate(walk.getUTCDate() - 7);
  }
  return `${day.getUTCFullYear()}-W${week - 1}`;
}

/** Retention as documents describe it: for each rule the list of periods as texts, then the first so many. */
function described(points: readonly RetentionPoint[], rules: RetentionRules, timezone: string): ReadonlySet<string> {
  const sorted = points.filter(({ pinned }) => !pinned).toSorted(newestFirst);
  const good = sorted.filter((point) => point.good);
  const ids = new Set(points.filter(({ pinned }) => pinned).map(({ id }) => id));
  const newestGood = good[0];
  const damaged = (point: RetentionPoint, asGood: (others: readonly RetentionPoint[]) => boolean): boolean =>
    !point.good && asGood([...good, point].toSorted(newestFirst));
  const keeps = (all: readonly RetentionPoint[], point: RetentionPoint): boolean =>
    all[0] === point || ruleKeys.some((key) => keepsBy(key, all, point));
  const keepsBy = (key: (typeof ruleKeys)[number], all: readonly RetentionPoint[], point: RetentionPoint): boolean => {
    const periods = new Map<string, RetentionPoint>();
    for (const each of all) {
      const text = new Date(each.createdAt).toLocaleString('sv-SE', { timeZone: timezone });
      const period = {
        keepLast: each.id,
        keepHourly: text.slice(0, 13),
        keepDaily: text.slice(0, 10),
        keepWeekly: weekText(text.slice(0, 10)),
        keepMonthly: text.slice(0, 7),
        keepYearly: text.slice(0, 4),
      }[key];
      if (!periods.has(period)) periods.set(period, each);
    }
    return [...periods.values()].slice(0, rules[key] ?? 0).includes(point);
  };
  for (const point of sorted) {
    if (point === newestGood || (point.good && keeps(good, point))) ids.add(point.id);
    else if (damaged(point, (all) => keeps(all, point))) ids.add(point.id);
  }
  return ids;
}

test('what is kept is what the description of the rules says', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      assert.deepEqual([...kept(points, rules, zone)].toSorted(), [...described(points, rules, zone)].toSorted());
    }),
    { numRuns: 120 },
  );
});

test('the order in which restore points are given does not matter', () => {
  const shuffled = anyPoints.chain((points) =>
    fc.tuple(fc.constant(points), fc.shuffledSubarray([...points], { minLength: points.length })),
  );
  fc.assert(
    fc.property(shuffled, anyRules, anyZone, ([points, others], rules, zone) => {
      assert.deepEqual(decideRetention(others, rules, zone), decideRetention(points, rules, zone));
    }),
  );
});

test('each restore point gets one decision with at least one reason', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      const decisions = decideRetention(points, rules, zone);
      assert.deepEqual(decisions.map(({ point }) => point.id).toSorted(), points.map(({ id }) => id).toSorted());
      for (const { reasons } of decisions) assert.ok(reasons.length > 0 && reasons.every((reason) => reason !== ''));
    }),
  );
});

test('the newest good restore point and all pinned ones stay', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      const ids = kept(points, rules, zone);
      const newest = points.filter(({ good }) => good).toSorted(newestFirst)[0];
      if (newest !== undefined) assert.ok(ids.has(newest.id));
      for (const { id, pinned } of points) assert.ok(!pinned || ids.has(id));
    }),
  );
});

test('more places never keep less', () => {
  fc.assert(
    fc.property(
      anyPoints,
      anyRules,
      anyZone,
      fc.constantFrom(...ruleKeys),
      fc.nat(9),
      (points, rules, zone, key, more) => {
        const larger = { ...rules, [key]: (rules[key] ?? 0) + more };
        assertWithin(kept(points, rules, zone), kept(points, larger, zone));
      },
    ),
  );
});

test('keeping is final: what is left is kept by the same rules', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      const ids = kept(points, rules, zone);
      const left = points.filter(({ id }) => ids.has(id));
      assert.equal(kept(left, rules, zone).size, left.length);
    }),
  );
});

test('deciding after each new restore point leaves what deciding once leaves', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      let left: readonly RetentionPoint[] = [];
      for (const point of points.toSorted(newestFirst).toReversed()) {
        const now = [...left, point];
        const ids = kept(now, rules, zone);
        left = now.filter(({ id }) => ids.has(id));
      }
      assert.deepEqual(left.map(({ id }) => id).toSorted(), [...kept(points, rules, zone)].toSorted());
    }),
  );
});

test('pinning a restore point, or finding it damaged, costs no other one its place', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, fc.nat(59), fc.boolean(), (points, rules, zone, index, pin) => {
      const changed = points.map((point, at) =>
        at === index ? { ...point, ...(pin ? { pinned: true } : { good: false }) } : point,
      );
      assertWithin(kept(points, rules, zone), kept(changed, rules, zone));
    }),
  );
});

test('a new restore point in the future costs no other one its place', () => {
  fc.assert(
    fc.property(anyPoints, anyRules, anyZone, (points, rules, zone) => {
      const now = Math.max(0, ...points.map(({ createdAt }) => createdAt));
      const future = { id: 'future', createdAt: now + 1, pinned: false, good: true };
      const decisions = decideRetention([...points, future], rules, zone, now);
      const ids = decisions.filter(({ keep }) => keep).map(({ point }) => point.id);
      assert.deepEqual(ids.toSorted(), [...kept(points, rules, zone), 'future'].toSorted());
    }),
  );
});
