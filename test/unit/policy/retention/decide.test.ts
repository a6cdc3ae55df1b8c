import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { RetentionRules } from '../../../../server/policy/policy-schema.ts';
import { decideRetention } from '../../../../server/policy/retention/decide.ts';
import type { RetentionPoint } from '../../../../server/policy/retention/decide.ts';
import { utc, utcText } from '../schedule/support.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function point(at: string | number, more: Partial<RetentionPoint> = {}): RetentionPoint {
  const createdAt = typeof at === 'number' ? at : utc(at);
  return { id: `p${createdAt}`, createdAt, pinned: false, good: true, ...more };
}

/** Points from one moment to another, both in, `step` apart. */
function series(from: string, to: string, step: number): readonly RetentionPoint[] {
  const points: RetentionPoint[] = [];
  for (let at = utc(from); at <= utc(to); at += step) points.push(point(at));
  return points;
}

function kept(points: readonly RetentionPoint[], rules: RetentionRules, timezone = 'UTC', now?: number) {
  return decideRetention(points, rules, timezone, now)
    .filter(({ keep }) => keep)
    .map(({ point: { createdAt } }) => utcText(createdAt));
}

function reasons(points: readonly RetentionPoint[], rules: RetentionRules, now?: number): readonly string[] {
  return decideRetention(points, rules, 'UTC', now).map(
    ({ point: { createdAt }, keep, reasons: why }) => `${utcText(createdAt)} ${keep ? '+' : '-'} ${why.join('; ')}`,
  );
}

test('one a day over three years', () => {
  const rules = { keepDaily: 7, keepWeekly: 4, keepMonthly: 12, keepYearly: 3 };
  const days = ['12-31', '12-30', '12-29', '12-28', '12-27', '12-26', '12-25', '12-20', '12-13'];
  const months = ['11-30', '10-31', '09-30', '08-31', '07-31', '06-30', '05-31', '04-30', '03-31', '02-28', '01-31'];
  assert.deepEqual(kept(series('2024-01-01T03:00', '2026-12-31T03:00', dayMs), rules), [
    ...[...days, ...months].map((day) => `2026-${day}T03:00Z`),
    '2025-12-31T03:00Z',
    '2024-12-31T03:00Z',
  ]);
});

test('the leap day is the newest of its month, and of nothing else', () => {
  const points = series('2024-02-01T03:00', '2024-03-05T03:00', dayMs);
  assert.deepEqual(kept(points, { keepMonthly: 2 }), ['2024-03-05T03:00Z', '2024-02-29T03:00Z']);
  assert.deepEqual(kept(points, { keepYearly: 5 }), ['2024-03-05T03:00Z']);
});

test('reasons say which place of which rule a restore point has', () => {
  const points = series('2026-05-01T03:00', '2026-05-05T03:00', dayMs);
  assert.deepEqual(reasons(points, { keepLast: 1, keepDaily: 3, keepMonthly: 2, keepHourly: 0 }), [
    '2026-05-05T03:00Z + last 1 of 1; daily 1 of 3; monthly 1 of 2; the newest good one',
    '2026-05-04T03:00Z + daily 2 of 3',
    '2026-05-03T03:00Z + daily 3 of 3',
    '2026-05-02T03:00Z - no rule keeps it',
    '2026-05-01T03:00Z - no rule keeps it',
  ]);
});

test('weeks go from Monday to Sunday, also over the turn of the year', () => {
  // 29 December 2025 to 4 January 2026 is one week, and so is 28 December 2026 to 3 January 2027, the 53rd.
  const turn = series('2025-12-26T03:00', '2026-01-03T03:00', dayMs);
  assert.deepEqual(kept(turn, { keepWeekly: 2 }), ['2026-01-03T03:00Z', '2025-12-28T03:00Z']);
  const next = series('2026-12-24T03:00', '2027-01-05T03:00', dayMs);
  assert.deepEqual(kept(next, { keepWeekly: 3 }), ['2027-01-05T03:00Z', '2027-01-03T03:00Z', '2026-12-27T03:00Z']);
  assert.deepEqual(kept(next, { keepYearly: 2 }), ['2027-01-05T03:00Z', '2026-12-31T03:00Z']);
  const year = series('2026-01-01T03:00', '2026-12-31T03:00', dayMs);
  assert.equal(kept(year, { keepWeekly: 100 }).length, 53);
});

test('days and hours are those that clocks in the zone show', () => {
  // Midnight in Kathmandu is at 18:15 UTC.
  const points = [point('2026-05-01T18:14'), point('2026-05-01T18:16'), point('2026-05-02T18:10')];
  assert.deepEqual(kept(points, { keepDaily: 2 }, 'Asia/Kathmandu'), ['2026-05-02T18:10Z', '2026-05-01T18:14Z']);
  assert.deepEqual(kept(points, { keepDaily: 2 }, 'UTC'), ['2026-05-02T18:10Z', '2026-05-01T18:16Z']);
});

test('hourly, when clocks are put back: the hour that comes twice is one', () => {
  const warsaw = series('2026-10-24T22:00', '2026-10-25T03:00', hourMs);
  assert.deepEqual(kept(warsaw, { keepHourly: 4 }, 'Europe/Warsaw'), [
    '2026-10-25T03:00Z',
    '2026-10-25T02:00Z',
    '2026-10-25T01:00Z',
    '2026-10-24T23:00Z',
  ]);
  const newYork = series('2026-11-01T04:00', '2026-11-01T07:00', hourMs);
  assert.deepEqual(kept(newYork, { keepHourly: 3 }, 'America/New_York'), [
    '2026-11-01T07:00Z',
    '2026-11-01T06:00Z',
    '2026-11-01T04:00Z',
  ]);
  const lordHowe = series('2026-04-04T13:30', '2026-04-04T15:30', hourMs / 2);
  assert.deepEqual(kept(lordHowe, { keepHourly: 3 }, 'Australia/Lord_Howe'), [
    '2026-04-04T15:30Z',
    '2026-04-04T15:00Z',
    '2026-04-04T13:30Z',
  ]);
});

test('hourly, when clocks are put forward: each real hour is one', () => {
  const warsaw = series('2026-03-28T20:00', '2026-03-29T03:00', hourMs);
  assert.equal(kept(warsaw, { keepHourly: 100 }, 'Europe/Warsaw').length, 8);
});

test('a day of 23 or of 25 hours is one day', () => {
  for (const [from, to, zone] of [
    ['2026-10-24T22:00', '2026-10-25T22:30', 'Europe/Warsaw'],
    ['2026-03-28T23:00', '2026-03-29T21:30', 'Europe/Warsaw'],
    ['2026-11-01T04:00', '2026-11-02T04:30', 'America/New_York'],
    ['2026-03-08T05:00', '2026-03-09T03:30', 'America/New_York'],
  ] as const) {
    const points = series(from, to, hourMs / 2);
    assert.deepEqual(kept(points, { keepDaily: 9 }, zone), [`${to}Z`]);
    assert.equal(kept([...points, point(utc(to) + hourMs / 2)], { keepDaily: 9 }, zone).length, 2);
  }
});

test('only periods that have a restore point count', () => {
  const points = ['2026-05-20T03:00', '2026-05-20T02:00', '2026-05-05T03:00', '2026-01-01T03:00', '2025-06-01T03:00'];
  const rules = { keepDaily: 3, keepYearly: 2 };
  assert.deepEqual(
    kept(
      points.map((at) => point(at)),
      rules,
    ),
    ['2026-05-20T03:00Z', '2026-05-05T03:00Z', '2026-01-01T03:00Z', '2025-06-01T03:00Z'],
  );
});

test('of restore points with the same time the last by id is the newest', () => {
  const points = [point('2026-05-01T03:00', { id: 'b' }), point('2026-05-01T03:00', { id: 'a' })];
  const [first, second] = decideRetention(points, { keepDaily: 1 }, 'UTC');
  assert.deepEqual([first?.point.id, first?.keep], ['b', true]);
  assert.deepEqual([second?.point.id, second?.keep], ['a', false]);
});

test('a pinned restore point stays and takes no place', () => {
  const points = [point('2026-05-03T03:00', { pinned: true }), point('2026-05-02T03:00'), point('2026-05-01T03:00')];
  assert.deepEqual(reasons(points, { keepLast: 1 }), [
    '2026-05-03T03:00Z + pinned',
    '2026-05-02T03:00Z + last 1 of 1; the newest good one',
    '2026-05-01T03:00Z - no rule keeps it',
  ]);
});

test('a damaged restore point takes no place: there is a good one behind it', () => {
  const points = [
    point('2026-05-04T03:00', { good: false }),
    point('2026-05-03T03:00'),
    point('2026-05-02T03:00', { good: false }),
    point('2026-05-01T03:00'),
  ];
  assert.deepEqual(reasons(points, { keepLast: 1 }), [
    '2026-05-04T03:00Z + damaged, takes no place',
    '2026-05-03T03:00Z + last 1 of 1; the newest good one',
    '2026-05-02T03:00Z - no rule keeps it',
    '2026-05-01T03:00Z - no rule keeps it',
  ]);
  // While nothing is good, nothing that a rule could mean goes.
  const damaged = points.map((each) => ({ ...each, good: false }));
  assert.equal(kept(damaged, { keepDaily: 1 }).length, 4);
});

test('restore points dated in the future stay, and new ones do not go for them', () => {
  const now = utc('2026-05-04T12:00');
  const points = [
    point('2031-01-01T00:00'),
    point('2030-01-01T00:00'),
    point('2026-05-04T03:00'),
    point('2026-05-03T03:00'),
  ];
  assert.deepEqual(reasons(points, { keepLast: 1 }, now), [
    '2031-01-01T00:00Z + its time lies in the future',
    '2030-01-01T00:00Z + its time lies in the future',
    '2026-05-04T03:00Z + last 1 of 1; the newest good one',
    '2026-05-03T03:00Z - no rule keeps it',
  ]);
  assert.deepEqual(kept(points, { keepLast: 1 }, 'UTC', utc('2032-01-01T00:00')), ['2031-01-01T00:00Z']);
});

test('the newest good restore point stays, whatever the rules say', () => {
  const points = [point('2026-05-02T03:00', { good: false }), point('2026-05-01T03:00'), point('2026-04-01T03:00')];
  const none = { keepLast: 0, keepDaily: 0 };
  assert.deepEqual(reasons(points, none), [
    '2026-05-02T03:00Z + damaged, takes no place',
    '2026-05-01T03:00Z + the newest good one',
    '2026-04-01T03:00Z - no rule keeps it',
  ]);
  const damaged = points.map((each) => ({ ...each, good: false }));
  assert.equal(kept(damaged, none).length, 3);
});

test('when in doubt nothing is deleted', () => {
  const points = series('2026-05-01T03:00', '2026-05-03T03:00', dayMs);
  const why = (rules: RetentionRules, timezone = 'UTC') => {
    const decisions = decideRetention(points, rules, timezone);
    assert.ok(decisions.every(({ keep }) => keep));
    return decisions[0]?.reasons;
  };
  assert.deepEqual(why({}), ['retention names no rule']);
  assert.deepEqual(why({ keepLast: NaN }), ['retention has a rule that is no number']);
  assert.deepEqual(why({ keepLast: -1, keepDaily: 1 }), ['retention has a rule that is no number']);
  assert.deepEqual(why({ keepDaily: 1 }, 'Mars/Olympus'), ['the time zone Mars/Olympus is not known here']);
});

test('restore points whose time is no time stay, and mix up nothing', () => {
  const odd = [NaN, Infinity, -Infinity, NaN, NaN].map((createdAt, index) => point(createdAt, { id: `odd${index}` }));
  const usual = series('2026-05-01T03:00', '2026-05-20T03:00', dayMs);
  const all = [...odd, ...usual];
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (points) => {
      const stay = decideRetention(points, { keepLast: 1 }, 'UTC').filter(({ keep }) => keep);
      const why = stay.map((decision) => `${decision.point.id} ${decision.reasons.join('; ')}`);
      assert.deepEqual(why.toSorted(), [
        ...odd.map(({ id }) => `${id} its time is not known`),
        `${usual.at(-1)?.id ?? ''} last 1 of 1; the newest good one`,
      ]);
    }),
  );
});

test('no restore points, no decisions', () => {
  assert.deepEqual(decideRetention([], { keepLast: 1 }, 'UTC'), []);
});
