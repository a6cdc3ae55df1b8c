import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  clockChanges,
  firesOnEitherDay,
  monthsTooShort,
  neverFires,
} from '../../../../server/policy/schedule/cron-facts.ts';
import { occurrences } from '../../../../server/policy/schedule/occurrences.ts';
import { anyCron, utc, utcText } from './support.ts';

test('an expression whose days no month has never fires', () => {
  for (const cron of ['0 0 31 2 *', '0 0 30,31 2 *', '0 0 31 2,4,6,9,11 *', '0 0 31W 2 *', '0 0 30 2 +MON']) {
    assert.equal(neverFires(cron), true, cron);
  }
  for (const cron of ['0 0 29 2 *', '0 0 31 1,2 *', '0 0 31 2 MON', '0 0 29 2 +MON', '0 0 * * FRI#5', '0 0 L 2 *']) {
    assert.equal(neverFires(cron), false, cron);
  }
});

test('what never fires has no occurrence in 400 years, and the other way round', () => {
  fc.assert(
    fc.property(anyCron, (cron) => {
      const found = occurrences({ cron, timezone: 'UTC' }, { after: utc('2001-01-01T00:00'), limit: 1 });
      assert.equal(neverFires(cron), found.length === 0, cron);
    }),
    { numRuns: 300 },
  );
});

test('days of the month and of the week together: either is enough', () => {
  assert.equal(firesOnEitherDay('0 0 13 * FRI'), true);
  assert.equal(firesOnEitherDay('0 0 L * FRI'), true);
  for (const cron of ['0 0 13 * *', '0 0 * * FRI', '0 0 13 * +FRI', '0 0 ? * FRI', '@daily']) {
    assert.equal(firesOnEitherDay(cron), false, cron);
  }
});

test('months that are too short for a day', () => {
  assert.deepEqual(monthsTooShort('0 3 31 * *'), [2, 4, 6, 9, 11]);
  assert.deepEqual(monthsTooShort('0 3 30 * *'), [2]);
  assert.deepEqual(monthsTooShort('0 3 29,30 * *'), [2]);
  assert.deepEqual(monthsTooShort('0 3 29 2 *'), [2]);
  assert.deepEqual(monthsTooShort('0 3 31W * *'), [2, 4, 6, 9, 11]);
  for (const cron of ['0 3 28 * *', '0 3 L * *', '0 3 28,31 * *', '0 3 31 1,12 *', '0 3 31 * MON', '0 3 * * *']) {
    assert.deepEqual(monthsTooShort(cron), [], cron);
  }
});

test('what happens to times that clocks skip or repeat', () => {
  const found = (cron: string, timezone: string) =>
    clockChanges({ cron, timezone }, utc('2026-01-01T00:00'), utc('2027-01-01T00:00')).map(
      ({ kind, local, at, effect }) => `${kind} ${utcText(local).slice(0, -1)} ${effect} ${utcText(at)}`,
    );
  assert.deepEqual(found('30 2 * * *', 'Europe/Warsaw'), [
    'skipped 2026-03-29T02:30 late 2026-03-29T01:00Z',
    'repeated 2026-10-25T02:30 once 2026-10-25T01:00Z',
  ]);
  assert.deepEqual(found('0 2 * * MON-SAT', 'Europe/Warsaw'), []);
  assert.deepEqual(found('0 3 * * *', 'Europe/Warsaw'), []);
  assert.deepEqual(found('0 2 * * *', 'America/New_York'), ['skipped 2026-03-08T02:00 late 2026-03-08T07:00Z']);
  assert.deepEqual(found('*/20 2 * * *', 'Europe/Warsaw'), [
    'skipped 2026-03-29T02:00 left-out 2026-03-29T01:00Z',
    'repeated 2026-10-25T02:00 twice 2026-10-25T01:00Z',
  ]);
  assert.deepEqual(found('15 2 * * *', 'Australia/Lord_Howe'), ['skipped 2026-10-04T02:15 late 2026-10-03T15:30Z']);
  assert.deepEqual(found('30 2 * * *', 'Asia/Kathmandu'), []);
  assert.deepEqual(found('30 * * * *', 'Europe/Warsaw'), []);
});
