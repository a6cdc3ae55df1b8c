import assert from 'node:assert/strict';
import { test } from 'node:test';

import { age, localMinute, localTime, table, zonedMinute } from '../../../server/cli/table.ts';

test('A table has columns as wide as their widest cell, and no trailing blanks', () => {
  const text = table(
    [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'NOTE' }],
    [
      ['os', '4 GiB', ''],
      ['a longer name', '512 MiB', 'new'],
    ],
  );
  assert.equal(
    text,
    ['NAME              SIZE  NOTE', 'os               4 GiB', 'a longer name  512 MiB  new', ''].join('\n'),
  );
});

test('A name in a table moves no cursor and begins no line', () => {
  const text = table([{ title: 'VM' }, { title: 'TO' }], [['a\u001B[2Jb\nc', 'main']]);
  assert.equal(text, 'VM        TO\na\uFFFD[2Jb c  main\n');
});

test('A row with missing cells is a row with empty ones', () => {
  assert.equal(table([{ title: 'A' }, { title: 'B' }], [['x']]), 'A  B\nx\n');
});

test('Ages are told in the unit that people would choose', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const before = (seconds: number): string => age(new Date(now - seconds * 1000).toISOString(), now);
  assert.equal(before(0), 'just now');
  assert.equal(before(59), 'just now');
  assert.equal(before(60), '1 min ago');
  assert.equal(before(3599), '59 min ago');
  assert.equal(before(3600), '1 h ago');
  assert.equal(before(47 * 3600), '47 h ago');
  assert.equal(before(48 * 3600), '2 days ago');
});

test('A moment is shown in local time', () => {
  const moment = new Date(2026, 2, 1, 9, 5, 7).toISOString();
  assert.equal(localTime(moment), '2026-03-01 09:05:07');
  assert.equal(localMinute(moment), '2026-03-01 09:05');
});

test('A moment is shown in the time zone asked for, in UTC where nobody knows it', () => {
  assert.equal(zonedMinute('2026-03-29T00:59:00Z', 'Europe/Warsaw'), 'Sun 2026-03-29 01:59');
  assert.equal(zonedMinute('2026-03-29T01:00:00Z', 'Europe/Warsaw'), 'Sun 2026-03-29 03:00');
  assert.equal(zonedMinute('2026-12-31T23:59:00Z', 'Asia/Kathmandu'), 'Fri 2027-01-01 05:44');
  assert.equal(zonedMinute('2026-12-31T00:00:00Z', 'Mars/Olympus'), 'Thu 2026-12-31 00:00');
});
