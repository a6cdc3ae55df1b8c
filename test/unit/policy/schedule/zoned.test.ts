import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  instantOf,
  instantsOf,
  isKnownZone,
  isoWeek,
  localFields,
  localTime,
  offsetChanges,
  periodOf,
  toLocal,
} from '../../../../server/policy/schedule/zoned.ts';
import { anyZone, utc, utcText } from './support.ts';

test('what the clocks show is what Intl says', () => {
  // Formatted by Intl itself in a language whose format is that of ISO 8601.
  const judge = (timeZone: string, at: number): string => new Date(at).toLocaleString('sv-SE', { timeZone });
  fc.assert(
    fc.property(anyZone, fc.integer({ min: utc('1980-01-01T00:00'), max: utc('2060-01-01T00:00') }), (zone, at) => {
      assert.equal(new Date(toLocal(zone, at)).toISOString().slice(0, 19).replace('T', ' '), judge(zone, at));
    }),
  );
});

test('times around each change of the clocks are right to the millisecond', () => {
  const changes = {
    'Europe/Warsaw': ['2026-03-29T01:00Z +60', '2026-10-25T01:00Z -60'],
    'America/New_York': ['2026-03-08T07:00Z +60', '2026-11-01T06:00Z -60'],
    'Australia/Lord_Howe': ['2026-04-04T15:00Z -30', '2026-10-03T15:30Z +30'],
    'Asia/Kathmandu': [],
    UTC: [],
  };
  for (const [zone, expected] of Object.entries(changes)) {
    const found = offsetChanges(zone, utc('2026-01-01T00:00'), utc('2027-01-01T00:00'));
    assert.deepEqual(
      found.map(({ at, before, after }) => `${utcText(at)} ${after > before ? '+' : ''}${(after - before) / 60_000}`),
      expected,
      zone,
    );
    for (const { at, before, after } of found) {
      assert.equal(toLocal(zone, at - 1), at - 1 + before);
      assert.equal(toLocal(zone, at), at + after);
    }
  }
});

test('a local time has no moment when clocks skip it, and two when they show it twice', () => {
  const moments = (zone: string, ...local: [number, number, number, number, number]) =>
    instantsOf(zone, localTime(...local)).map(utcText);
  assert.deepEqual(moments('Europe/Warsaw', 2026, 3, 29, 1, 59), ['2026-03-29T00:59Z']);
  assert.deepEqual(moments('Europe/Warsaw', 2026, 3, 29, 2, 30), []);
  assert.deepEqual(moments('Europe/Warsaw', 2026, 3, 29, 3, 0), ['2026-03-29T01:00Z']);
  assert.deepEqual(moments('Europe/Warsaw', 2026, 10, 25, 2, 30), ['2026-10-25T00:30Z', '2026-10-25T01:30Z']);
  assert.deepEqual(moments('Australia/Lord_Howe', 2026, 4, 5, 1, 45), ['2026-04-04T14:45Z', '2026-04-04T15:15Z']);
  assert.deepEqual(moments('Australia/Lord_Howe', 2026, 10, 4, 2, 15), []);
  // Samoa left out a whole day when it moved over the date line.
  assert.deepEqual(moments('Pacific/Apia', 2011, 12, 30, 12, 0), []);
  assert.equal(utcText(instantOf('Europe/Warsaw', localTime(2026, 3, 29, 2, 30))), '2026-03-29T01:00Z');
  assert.equal(utcText(instantOf('Europe/Warsaw', localTime(2026, 10, 25, 2, 30))), '2026-10-25T00:30Z');
  assert.equal(utcText(instantOf('Pacific/Apia', localTime(2011, 12, 30, 12, 0))), '2011-12-30T10:00Z');
});

test('each moment is among the moments of what its clocks show', () => {
  fc.assert(
    fc.property(anyZone, fc.integer({ min: utc('1990-01-01T00:00'), max: utc('2040-01-01T00:00') }), (zone, at) => {
      assert.ok(instantsOf(zone, toLocal(zone, at)).includes(at));
    }),
  );
});

test('weeks are those of ISO 8601, in the zone', () => {
  const weeks: Record<string, string> = {
    '2019-12-29T12:00': '2019-W52',
    '2019-12-30T12:00': '2020-W1',
    '2020-12-31T12:00': '2020-W53',
    '2021-01-03T12:00': '2020-W53',
    '2021-01-04T12:00': '2021-W1',
    '2026-12-28T12:00': '2026-W53',
    '2027-01-03T12:00': '2026-W53',
    '2027-01-04T12:00': '2027-W1',
  };
  for (const [at, expected] of Object.entries(weeks)) {
    const { year, week } = isoWeek('UTC', utc(at));
    assert.equal(`${year}-W${week}`, expected, at);
  }
  // Late on a Sunday in UTC is Monday in Kathmandu.
  assert.deepEqual(isoWeek('Asia/Kathmandu', utc('2027-01-03T18:14')), { year: 2026, week: 53 });
  assert.deepEqual(isoWeek('Asia/Kathmandu', utc('2027-01-03T18:15')), { year: 2027, week: 1 });
});

test('fields of a moment', () => {
  assert.deepEqual(localFields('Asia/Kathmandu', utc('2024-02-28T18:20')), {
    year: 2024,
    month: 2,
    day: 29,
    hour: 0,
    minute: 5,
    second: 0,
    weekday: 4,
  });
  assert.equal(localFields('UTC', utc('2026-11-29T00:00')).weekday, 7);
});

test('a day of 25 hours is one day, and the hour that is repeated is one hour', () => {
  const day = (at: string) => periodOf('day', 'Europe/Warsaw', utc(at));
  assert.equal(day('2026-10-24T22:00'), day('2026-10-25T22:59'));
  assert.notEqual(day('2026-10-24T22:00'), day('2026-10-25T23:00'));
  const hour = (at: string) => periodOf('hour', 'Europe/Warsaw', utc(at));
  assert.equal(hour('2026-10-25T00:10'), hour('2026-10-25T01:50'));
  assert.equal(hour('2026-10-25T02:00') - hour('2026-10-25T01:59'), 1);
});

test('times that no calendar has do not throw, zones that nobody knows are told apart', () => {
  for (const at of [NaN, Infinity, -Infinity, 9e15, -9e15]) assert.doesNotThrow(() => toLocal('Europe/Warsaw', at));
  assert.equal(isKnownZone('Europe/Warsaw'), true);
  assert.equal(isKnownZone('Mars/Olympus'), false);
  assert.throws(() => toLocal('Mars/Olympus', 0), RangeError);
});
