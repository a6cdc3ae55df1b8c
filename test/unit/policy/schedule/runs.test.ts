import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { occurrences } from '../../../../server/policy/schedule/occurrences.ts';
import { dueRuns, jitterMs, nextRuns } from '../../../../server/policy/schedule/runs.ts';
import type { Scheduled, ScheduledRun } from '../../../../server/policy/schedule/runs.ts';
import { isOpen, startOf } from '../../../../server/policy/schedule/window.ts';
import { anyCron, anyZone, utc, utcText, windowOf } from './support.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** The policy of design.md. */
const nightly: Scheduled = {
  name: 'nightly-sql',
  schedule: [
    { cron: '0 2 * * MON-SAT', timezone: 'Europe/Warsaw', type: 'incremental' },
    { cron: '0 2 * * SUN', timezone: 'Europe/Warsaw', type: 'full' },
  ],
  window: windowOf('22:00-06:00'),
};

function shown(runs: readonly ScheduledRun[]): readonly string[] {
  return runs.map((run) => `${utcText(run.at)} ${run.type} ${run.entry}`);
}

test('the next runs of all entries in one list, across the change of the clocks', () => {
  assert.deepEqual(shown(nextRuns(nightly, utc('2026-03-27T12:00'), 4)), [
    '2026-03-28T01:00Z incremental 0',
    '2026-03-29T01:00Z full 1',
    '2026-03-30T00:00Z incremental 0',
    '2026-03-31T00:00Z incremental 0',
  ]);
});

test('a run that starts at `after` is past', () => {
  assert.deepEqual(shown(nextRuns(nightly, utc('2026-03-28T01:00'), 1)), ['2026-03-29T01:00Z full 1']);
});

test('an incremental and a full in the same minute are one run, a full', () => {
  const policy: Scheduled = {
    name: 'a',
    schedule: [{ cron: '0 */12 * * *' }, { cron: '0 0 * * SUN', type: 'full' }, { cron: '0 0 * * SUN' }],
  };
  assert.deepEqual(shown(nextRuns(policy, utc('2026-05-02T06:00'), 3)), [
    '2026-05-02T12:00Z incremental 0',
    '2026-05-03T00:00Z full 1',
    '2026-05-03T12:00Z incremental 0',
  ]);
});

test('runs due while the window is closed wait for it, all as one', () => {
  const policy: Scheduled = { name: 'a', schedule: [{ cron: '0 */3 * * *' }], window: windowOf('22:00-04:00') };
  const expected = [
    '2026-05-01T22:00Z incremental 0',
    '2026-05-02T00:00Z incremental 0',
    '2026-05-02T03:00Z incremental 0',
    '2026-05-02T22:00Z incremental 0',
  ];
  assert.deepEqual(shown(nextRuns(policy, utc('2026-05-01T04:00'), 4)), expected);
  // What came due before is not forgotten while it waits.
  assert.deepEqual(shown(nextRuns(policy, utc('2026-05-01T21:59'), 4)), expected);
  const daily: Scheduled = { name: 'a', schedule: [{ cron: '0 12 * * *' }], window: windowOf('22:00-04:00') };
  assert.deepEqual(shown(nextRuns(daily, utc('2026-05-01T20:00'), 1)), ['2026-05-01T22:00Z incremental 0']);
});

test('a window that never opens, a cron that never fires and no schedule have no runs', () => {
  assert.deepEqual(nextRuns({ ...nightly, window: windowOf('06:00-06:00') }, 0, 5), []);
  assert.deepEqual(nextRuns({ name: 'a', schedule: [{ cron: '0 0 31 2 *' }] }, 0, 5), []);
  assert.deepEqual(nextRuns({ name: 'a' }, 0, 5), []);
  assert.equal(dueRuns({ name: 'a' }, 0, dayMs), undefined);
  assert.deepEqual(nextRuns(nightly, 0, 0), []);
});

test('hours are counted in the zone of the entry, the window in that of the policy', () => {
  const policy: Scheduled = {
    name: 'a',
    timezone: 'UTC',
    schedule: [{ cron: '0 2 * * *', timezone: 'Asia/Kathmandu' }, { cron: '0 3 * * *' }],
    window: windowOf('02:00-21:00'),
  };
  assert.deepEqual(shown(nextRuns(policy, utc('2026-05-01T00:00'), 3)), [
    '2026-05-01T03:00Z incremental 1',
    '2026-05-01T20:15Z incremental 0',
    '2026-05-02T03:00Z incremental 1',
  ]);
});

test('jitter is the same each time, differs by policy and entry, and is spread over its span', () => {
  assert.equal(jitterMs('nightly', 0, 600_000), jitterMs('nightly', 0, 600_000));
  assert.equal(jitterMs('nightly', 0, 0), 0);
  const values = Array.from({ length: 1000 }, (_, index) => jitterMs(`policy-${index}`, 0, 600_000));
  assert.ok(values.every((value) => value >= 0 && value < 600_000 && Number.isInteger(value)));
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    values.filter((value) => Math.floor(value / 60_000) === tenth),
  );
  for (const tenth of tenths) assert.ok(tenth.length > 60 && tenth.length < 140, `${tenth.length} of 1,000 in a tenth`);
  assert.ok(new Set([0, 1, 2, 3].map((entry) => jitterMs('nightly', entry, 600_000))).size > 1);
});

test('jitter comes after the waiting, and does not push a run out of the window', () => {
  const jitter = 4 * hourMs;
  const policy: Scheduled = { name: 'a', schedule: [{ cron: '30 21 * * *', jitter }], window: windowOf('22:00-23:00') };
  const runs = nextRuns(policy, utc('2026-05-01T00:00'), 3);
  assert.equal(runs.length, 3);
  for (const { at } of runs) assert.ok(isOpen(windowOf('22:00-23:00'), 'UTC', at), utcText(at));
  const [first, second] = runs;
  assert.equal((second?.at ?? 0) - (first?.at ?? 0), dayMs);
});

test('a run that jitter delays past `after` is still to come', () => {
  const policy: Scheduled = { name: 'b', schedule: [{ cron: '0 2 * * *', jitter: hourMs }] };
  const jitter = jitterMs('b', 0, hourMs);
  assert.ok(jitter > 1);
  const at = utc('2026-05-01T02:00') + jitter;
  assert.equal(nextRuns(policy, at - 1, 1)[0]?.at, at);
  assert.equal(nextRuns(policy, at, 1)[0]?.at, at + dayMs);
});

test('ten hours of downtime: what came due meanwhile, and what one run in its place reads', () => {
  const hourly: Scheduled = { name: 'a', schedule: [{ cron: '0 * * * *' }, { cron: '0 2 * * *', type: 'full' }] };
  const down = utc('2026-05-01T22:30');
  const due = dueRuns(hourly, down, down + 10 * hourMs);
  assert.deepEqual(due, {
    newest: { at: utc('2026-05-02T08:00'), type: 'incremental', entry: 0 },
    count: 10,
    more: false,
    type: 'full',
  });
  assert.equal(dueRuns(hourly, down + 5 * hourMs, down + 10 * hourMs)?.type, 'incremental');
  assert.equal(dueRuns(hourly, down, down + 29 * 60_000), undefined);
  assert.equal(dueRuns(hourly, down, down), undefined);
  // Nightly runs: none came due in ten hours of a day, one in ten hours of a night.
  assert.equal(dueRuns(nightly, utc('2026-05-01T08:00'), utc('2026-05-01T18:00')), undefined);
  assert.equal(dueRuns(nightly, utc('2026-05-01T20:00'), utc('2026-05-02T06:00'))?.count, 1);
});

test('a year of runs every minute is counted up to a thousand, and the newest is found', () => {
  const policy: Scheduled = { name: 'a', schedule: [{ cron: '* * * * *' }, { cron: '30 7 2 12 *', type: 'full' }] };
  assert.deepEqual(dueRuns(policy, utc('2025-12-31T23:59'), utc('2026-12-31T23:59:30')), {
    newest: { at: utc('2026-12-31T23:59'), type: 'incremental', entry: 0 },
    count: 1000,
    more: true,
    type: 'full',
  });
  // The newest is far back: in January only.
  const january: Scheduled = { name: 'a', schedule: [{ cron: '* * * 1 *' }], window: windowOf('22:00-06:00') };
  const due = dueRuns(january, utc('2025-12-31T23:59'), utc('2026-12-31T23:59'));
  assert.deepEqual(due?.newest, { at: utc('2026-01-31T23:59'), type: 'incremental', entry: 0 });
  assert.equal(due.more, true);
});

const anyEntry = fc.record(
  {
    cron: anyCron,
    timezone: anyZone,
    type: fc.constantFrom('full' as const, 'incremental' as const),
    jitter: fc.constantFrom(0, 90_000, hourMs, 12 * hourMs),
  },
  { requiredKeys: ['cron'] },
);
const anyPolicy: fc.Arbitrary<Scheduled> = fc.record(
  {
    name: fc.constantFrom('a', 'nightly', 'x-9'),
    timezone: anyZone,
    schedule: fc.array(anyEntry, { minLength: 1, maxLength: 3 }),
    window: fc.constantFrom('22:00-06:00', '02:00-02:30', '01:30-12:00', '00:00-23:00').map(windowOf),
  },
  { requiredKeys: ['name', 'schedule'] },
);

/** All runs in (from, to], from all slots of the days before. */
function judged(policy: Scheduled, from: number, to: number): readonly number[] {
  const zone = policy.timezone ?? policy.schedule?.find((entry) => entry.timezone !== undefined)?.timezone ?? 'UTC';
  const opens = new Map<number, { full: boolean; entry: number }>();
  for (const [index, entry] of (policy.schedule ?? []).entries()) {
    const cron = { cron: entry.cron, timezone: entry.timezone ?? zone };
    for (const due of occurrences(cron, { after: from - 4 * dayMs, until: to, limit: 20_000 })) {
      const open = startOf(due, policy.window, zone) ?? Infinity;
      const known = opens.get(open);
      const full = entry.type === 'full';
      if (known === undefined || (full && !known.full)) opens.set(open, { full, entry: index });
    }
  }
  const starts = [...opens].map(([open, { entry }]) => {
    const jitter = jitterMs(policy.name, entry, policy.schedule?.[entry]?.jitter ?? 0);
    if (policy.window === undefined) return open + jitter;
    let closes = open;
    while (isOpen(policy.window, zone, closes)) closes += 60_000;
    return open + (jitter % (closes - open));
  });
  return starts.filter((at) => at > from && at <= to).toSorted((a, b) => a - b);
}

test('the next runs are those that waiting, merging and jitter make of all occurrences', () => {
  const anyTime = fc.constantFrom('2026-03-28T20:00', '2026-10-24T21:17', '2026-04-04T10:00', '2026-07-01T00:00');
  fc.assert(
    fc.property(anyPolicy, anyTime.map(utc), fc.integer({ min: 1, max: 40 }), (policy, from, limit) => {
      const expected = judged(policy, from, from + 3 * dayMs);
      const found = nextRuns(policy, from, limit).map((run) => run.at);
      const within = found.filter((at) => at <= from + 3 * dayMs);
      assert.deepEqual(within.map(utcText), expected.slice(0, limit).map(utcText));
      assert.ok(found.length <= limit);
      const due = dueRuns(policy, from, from + 3 * dayMs);
      assert.equal(due?.count ?? 0, Math.min(1000, expected.length));
      assert.equal(due?.newest.at, expected.at(-1));
    }),
    { numRuns: 60 },
  );
});
