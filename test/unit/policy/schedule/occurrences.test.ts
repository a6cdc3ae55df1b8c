import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Cron } from 'croner';
import * as fc from 'fast-check';

import { cronFields } from '../../../../server/policy/schedule/cron-fields.ts';
import type { CronFields } from '../../../../server/policy/schedule/cron-fields.ts';
import { occurrences, previousOccurrence } from '../../../../server/policy/schedule/occurrences.ts';
import { instantOf, offsetChanges, toLocal } from '../../../../server/policy/schedule/zoned.ts';
import { anyCron, anyZone, utc, utcText } from './support.ts';

const dayMs = 86_400_000;
const minuteMs = 60_000;

interface Vector {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly after: string;
  readonly expected: readonly string[];
}

const vectors: readonly Vector[] = [
  {
    name: 'Warsaw in spring: a run at 02:30, which does not exist, starts at 03:00',
    cron: '30 2 * * *',
    timezone: 'Europe/Warsaw',
    after: '2026-03-28T00:00',
    expected: ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  },
  {
    name: 'Warsaw in autumn: a run at 02:30, which comes twice, starts at the first',
    cron: '30 2 * * *',
    timezone: 'Europe/Warsaw',
    after: '2026-10-24T00:00',
    expected: ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  },
  {
    name: 'Warsaw in spring: each real hour',
    cron: '0 * * * *',
    timezone: 'Europe/Warsaw',
    after: '2026-03-28T23:00',
    expected: ['2026-03-29T00:00Z', '2026-03-29T01:00Z', '2026-03-29T02:00Z'],
  },
  {
    name: 'Warsaw in autumn: each real hour',
    cron: '0 * * * *',
    timezone: 'Europe/Warsaw',
    after: '2026-10-24T23:00',
    expected: ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z', '2026-10-25T03:00Z'],
  },
  {
    name: 'Warsaw in spring: a list of hours does not lose the one that is skipped',
    cron: '30 2,14 * * *',
    timezone: 'Europe/Warsaw',
    after: '2026-03-29T00:00',
    expected: ['2026-03-29T01:00Z', '2026-03-29T12:30Z', '2026-03-30T00:30Z'],
  },
  {
    name: 'New York in spring',
    cron: '30 2 * * *',
    timezone: 'America/New_York',
    after: '2026-03-07T00:00',
    expected: ['2026-03-07T07:30Z', '2026-03-08T07:00Z', '2026-03-09T06:30Z'],
  },
  {
    name: 'New York in autumn',
    cron: '30 1 * * *',
    timezone: 'America/New_York',
    after: '2026-10-31T00:00',
    expected: ['2026-10-31T05:30Z', '2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  },
  {
    name: 'New York in autumn: every 15 minutes goes on through the hour that is repeated',
    cron: '*/15 * * * *',
    timezone: 'America/New_York',
    after: '2026-11-01T05:40',
    expected: ['2026-11-01T05:45Z', '2026-11-01T06:00Z', '2026-11-01T06:15Z', '2026-11-01T06:30Z'],
  },
  {
    name: 'Kathmandu, five hours and three quarters ahead',
    cron: '0 2 * * *',
    timezone: 'Asia/Kathmandu',
    after: '2026-03-28T00:00',
    expected: ['2026-03-28T20:15Z', '2026-03-29T20:15Z'],
  },
  {
    name: 'Lord Howe in spring: clocks skip half an hour',
    cron: '15 2 * * *',
    timezone: 'Australia/Lord_Howe',
    after: '2026-10-02T00:00',
    expected: ['2026-10-02T15:45Z', '2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  },
  {
    name: 'Lord Howe in autumn: half an hour comes twice',
    cron: '45 1 * * *',
    timezone: 'Australia/Lord_Howe',
    after: '2026-04-03T00:00',
    expected: ['2026-04-03T14:45Z', '2026-04-04T14:45Z', '2026-04-05T15:15Z'],
  },
  {
    name: 'a leap day',
    cron: '0 3 29 2 *',
    timezone: 'Europe/Warsaw',
    after: '2026-01-01T00:00',
    expected: ['2028-02-29T02:00Z', '2032-02-29T02:00Z'],
  },
  {
    name: 'the last day of the month',
    cron: '0 3 L * *',
    timezone: 'UTC',
    after: '2028-01-01T00:00',
    expected: ['2028-01-31T03:00Z', '2028-02-29T03:00Z', '2028-03-31T03:00Z', '2028-04-30T03:00Z'],
  },
  {
    name: 'the second Friday',
    cron: '0 0 * * FRI#2',
    timezone: 'UTC',
    after: '2026-01-01T00:00',
    expected: ['2026-01-09T00:00Z', '2026-02-13T00:00Z'],
  },
  {
    name: 'a day of the month or a day of the week',
    cron: '0 0 13 * FRI',
    timezone: 'UTC',
    after: '2026-01-08T00:00',
    expected: ['2026-01-09T00:00Z', '2026-01-13T00:00Z', '2026-01-16T00:00Z'],
  },
  {
    name: 'the weekday nearest to a day stays in its month',
    cron: '0 0 1W,31W * *',
    timezone: 'UTC',
    after: '2026-05-02T00:00',
    expected: ['2026-05-29T00:00Z', '2026-06-01T00:00Z', '2026-07-01T00:00Z', '2026-07-31T00:00Z', '2026-08-03T00:00Z'],
  },
  {
    name: 'the last weekday of the month',
    cron: '0 0 LW * *',
    timezone: 'UTC',
    after: '2026-01-01T00:00',
    expected: ['2026-01-30T00:00Z', '2026-02-27T00:00Z', '2026-03-31T00:00Z'],
  },
  {
    name: 'clocks that go back over midnight, to a day that was over',
    cron: '*/30 * * * *',
    timezone: 'America/St_Johns',
    after: '2010-11-07T01:45',
    expected: ['2010-11-07T02:00Z', '2010-11-07T02:30Z', '2010-11-07T03:00Z', '2010-11-07T03:30Z'],
  },
  {
    name: '@daily',
    cron: '@daily',
    timezone: 'Europe/Warsaw',
    after: '2026-03-28T00:00',
    expected: ['2026-03-28T23:00Z', '2026-03-29T22:00Z'],
  },
];

for (const { name, cron, timezone, after, expected } of vectors) {
  test(`occurrences: ${name}`, () => {
    const found = occurrences({ cron, timezone }, { after: utc(after), limit: expected.length });
    assert.deepEqual(found.map(utcText), expected);
  });
}

test('an occurrence at `after` is past, one at `until` is not', () => {
  const entry = { cron: '0 * * * *', timezone: 'UTC' };
  const hours = (after: string, until: string) =>
    occurrences(entry, { after: utc(after), until: utc(until), limit: 9 }).map(utcText);
  assert.deepEqual(hours('2026-01-01T01:00', '2026-01-01T03:00'), ['2026-01-01T02:00Z', '2026-01-01T03:00Z']);
  assert.deepEqual(hours('2026-01-01T00:59:59.999', '2026-01-01T01:00'), ['2026-01-01T01:00Z']);
  assert.deepEqual(hours('2026-01-01T01:00', '2026-01-01T01:59:59.999'), []);
  assert.deepEqual(occurrences({ cron: '0 0 31 2 *', timezone: 'UTC' }, { after: 0, limit: 5 }), []);
  assert.equal(previousOccurrence(entry, utc('2026-01-01T01:00')), utc('2026-01-01T00:00'));
  assert.equal(previousOccurrence(entry, utc('2026-01-01T01:00:00.001')), utc('2026-01-01T01:00'));
  assert.equal(previousOccurrence({ cron: '0 0 31 2 *', timezone: 'UTC' }, 0), undefined);
});

/** Whether an expression names a local minute. Written anew for the tests, day by day as a calendar shows it. */
function names(fields: CronFields, local: number): boolean {
  const date = new Date(local);
  return (
    fields.minutes.includes(date.getUTCMinutes()) &&
    fields.hours.includes(date.getUTCHours()) &&
    fields.months.includes(date.getUTCMonth() + 1) &&
    namesDay(fields, date)
  );
}

function namesDay(fields: CronFields, date: Date): boolean {
  const [day, weekday] = [date.getUTCDate(), date.getUTCDay() || 7];
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  const isWeekend = (of: number): boolean => new Date(date.getTime() + (of - day) * dayMs).getUTCDay() % 6 === 0;
  const workdays = Array.from({ length: last }, (_, index) => index + 1).filter((of) => !isWeekend(of));
  const nearest = (to: number): number | undefined =>
    to > last ? undefined : workdays.toSorted((a, b) => Math.abs(a - to) - Math.abs(b - to))[0];
  const ofMonth =
    fields.days.includes(day) ||
    (fields.lastDay && day === last) ||
    (fields.lastWeekday && day === workdays.at(-1)) ||
    fields.nearestTo.some((to) => day === nearest(to));
  const ofWeek = fields.weekdays.some(
    (each) =>
      each.weekday === weekday &&
      (each.nth === undefined ||
        each.nth.includes(Math.ceil(day / 7)) ||
        (each.nth.includes('last') && day + 7 > last)),
  );
  return { any: true, month: ofMonth, week: ofWeek, either: ofMonth || ofWeek, both: ofMonth && ofWeek }[fields.daysBy];
}

/** What cron says of each minute in (from, to]. */
function judged(cron: string, timezone: string, from: number, to: number): readonly number[] {
  const fields = cronFields(cron);
  const found = new Set<number>();
  for (let at = from - dayMs; at <= to + dayMs; at += minuteMs) {
    if (fields.fixedTime) {
      // Each minute of a calendar that knows no changes, at the moment it comes, or is jumped over.
      if (names(fields, at)) found.add(instantOf(timezone, at));
    } else if (names(fields, toLocal(timezone, at))) found.add(at);
  }
  return [...found].filter((at) => at > from && at <= to).toSorted((a, b) => a - b);
}

test('occurrences are those that a walk over all minutes finds, also where clocks are changed', () => {
  fc.assert(
    fc.property(anyCron, anyZone, fc.nat(3), fc.boolean(), (cron, timezone, skip, backwards) => {
      const changes = offsetChanges(timezone, utc('2025-12-01T00:00'), utc('2027-12-01T00:00'));
      const middle = changes[skip]?.at ?? utc('2026-02-28T12:00');
      const [from, to] = [middle - dayMs, middle + dayMs];
      const expected = judged(cron, timezone, from, to);
      const found: number[] = [];
      if (backwards) {
        for (let at: number | undefined = to + 1; ;) {
          at = previousOccurrence({ cron, timezone }, at);
          if (at === undefined || at <= from) break;
          found.unshift(at);
        }
      } else found.push(...occurrences({ cron, timezone }, { after: from, until: to, limit: 10_000 }));
      assert.deepEqual(found.map(utcText), expected.map(utcText), `${cron} ${timezone} ${utcText(middle)}`);
    }),
    { numRuns: 150 },
  );
});

test('an entry whose only hour clocks skip each year fires not in those years, and did before', () => {
  const entry = { cron: '*/15 0 * 3 SUNL', timezone: 'Asia/Beirut' };
  assert.deepEqual(occurrences(entry, { after: utc('2012-01-01T00:00'), limit: 1 }), []);
  assert.equal(utcText(previousOccurrence(entry, utc('2012-01-01T00:00')) ?? NaN), '1992-03-28T22:45Z');
});

test('occurrences are those of croner', () => {
  const anyTime = fc.integer({ min: utc('2012-01-01T00:00'), max: utc('2036-01-01T00:00') });
  const nearChange = anyTime.map((at) => at - (at % (dayMs * 30)));
  fc.assert(
    fc.property(anyCron, anyZone, fc.oneof(anyTime, nearChange), (cron, timezone, from) => {
      const judge = new Cron(cron, { mode: '5-part', fixedTimeRule: 'no-wildcard', timezone, paused: true });
      const entry = { cron, timezone };
      const next = occurrences(entry, { after: from, limit: 40 });
      assert.deepEqual(
        next.map(utcText),
        judge.nextRuns(40, new Date(from)).map((date) => utcText(date.getTime())),
      );
      const before: string[] = [];
      for (let at = previousOccurrence(entry, from); at !== undefined && before.length < 40;) {
        before.push(utcText(at));
        at = previousOccurrence(entry, at);
      }
      assert.deepEqual(
        before,
        judge.previousRuns(40, new Date(from)).map((date) => utcText(date.getTime())),
      );
    }),
    { numRuns: 100 },
  );
});
