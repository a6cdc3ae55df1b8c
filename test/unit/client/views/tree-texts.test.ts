import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import { failed, loading, outdated, ready, unread } from '../../../../client/stores/cached.ts';
import { FailuresSeen } from '../../../../client/views/runs/failures-seen.ts';
import { LoadAttempts } from '../../../../client/views/tree/load-attempts.ts';
import { escaped, factTable } from '../../../../client/views/tree/markdown.ts';
import { textFilter } from '../../../../client/views/tree/text-filter.ts';
import {
  ageText,
  bar,
  dayHeading,
  dayText,
  leftText,
  namesText,
  percent,
  shortTimeText,
} from '../../../../client/views/tree/texts.ts';
import { hoursAgo, noon } from './support/world.ts';

test('of many names only the first are told, and how many more there are', () => {
  assert.equal(namesText(['a', 'b']), 'a, b');
  assert.equal(
    namesText(
      Array.from({ length: 200 }, (_, n) => `p${n}`),
      3,
    ),
    'p0, p1, p2 and 197 more',
  );
});

test('ages are told in the largest unit that says enough', () => {
  assert.equal(ageText(noon - 59_000, noon), 'just now');
  assert.equal(ageText(noon + 5000, noon), 'just now', 'a clock that is ahead');
  assert.equal(ageText(noon - 60_000, noon), '1 min ago');
  assert.equal(ageText(hoursAgo(2), noon), '2 h ago');
  assert.equal(ageText(hoursAgo(47), noon), '47 h ago');
  assert.equal(ageText(hoursAgo(49), noon), '2 days ago');
});

test('a time of today has no day; days near now have names', () => {
  assert.equal(shortTimeText(hoursAgo(2), noon), '10:00');
  assert.equal(shortTimeText(hoursAgo(26), noon), '2026-01-30 10:00');
  assert.equal(dayHeading(dayText(noon), noon), 'Today');
  assert.equal(dayHeading('2026-01-30', noon), 'Yesterday');
  assert.equal(dayHeading('2026-01-29', noon), '2026-01-29');
});

test('a bar is full, and a percentage 100, only when everything is done', () => {
  assert.equal(bar(0.999), '▓▓▓▓▓▓▓▓▓░');
  assert.equal(bar(1), '▓▓▓▓▓▓▓▓▓▓');
  assert.equal(bar(0), '░░░░░░░░░░');
  assert.equal(percent(999_999, 1_000_000), 99);
  assert.equal(percent(5, 5), 100);
  assert.equal(percent(0, 0), 0);
  assert.equal(leftText(7500), '2 h 5 min');
});

test('a filter wants every word, anywhere in the fields, whatever the case; * and ? stand for a whole field', () => {
  const { matches } = textFilter('  SQL hv0 ');
  assert.ok(matches('sql01', 'hv01'));
  assert.ok(!matches('sql01', 'rack7'));
  assert.ok(textFilter('sql-*').matches('sql-prod', 'x'));
  assert.ok(!textFilter('sql-*').matches('my-sql-prod'));
  assert.ok(textFilter('sql-?').matches('SQL-1'));
  assert.equal(textFilter('   ').active, false);
  assert.ok(textFilter('').matches('anything'));
});

test('no name can become markup, a link, an icon or a second line of a tooltip', () => {
  const hostile = '[x](command:evil) | $(alert) <img src=x> **b** `c`\n# head';
  const text = escaped(hostile);
  assert.ok(!text.includes('\n'));
  assert.match(text, /\\\[x\\\]\\\(command\\:evil\\\)/);
  assert.match(text, /\\\$\\\(alert\\\)/);
  assert.match(text, /\\<img/);
});

test('whatever a value holds, a table of facts stays a table of its rows', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (name, value) => {
      const lines = factTable([[`n${name}`, `v${value}`]]).split('\n');
      assert.equal(lines.length, 3);
      // Three bars that are not escaped: the borders of two cells.
      assert.equal((lines[2] ?? '').replace(/\\./g, '').split('|').length, 4);
    }),
  );
});

test('facts without a value are left out', () => {
  assert.equal(
    factTable([
      ['a', undefined],
      ['b', ''],
    ]),
    '',
  );
  assert.equal(
    factTable([
      ['a', '1'],
      ['b', undefined],
    ]).split('\n').length,
    3,
  );
});

const error = new TidemarkError(errorCodes.hostUnreachable, 'away');

test('a view reads what was never read or is out of date, and nothing twice at once', () => {
  const attempts = new LoadAttempts();
  assert.ok(attempts.wanted('a', unread(0), noon));
  assert.ok(!attempts.wanted('a', loading(unread(0)), noon));
  assert.ok(!attempts.wanted('a', ready(1, noon), noon, 1000));
  assert.ok(attempts.wanted('a', outdated(ready(1, noon)), noon));
  assert.ok(attempts.wanted('b', ready(1, noon - 1000), noon, 1000));
});

test('a value that looks old because two clocks differ is not read again and again', () => {
  const attempts = new LoadAttempts();
  const old = ready(1, noon - 3_600_000);
  assert.ok(attempts.wanted('a', old, noon, 60_000));
  assert.ok(!attempts.wanted('a', old, noon + 250, 60_000));
  assert.ok(attempts.wanted('a', old, noon + 60_000, 60_000));
});

test('what failed is read again only for a reason: a new connection, or the user', () => {
  const attempts = new LoadAttempts();
  const away = failed(unread(0), error);
  assert.ok(attempts.wanted('a', unread(0), noon));
  assert.ok(!attempts.wanted('a', away, noon));
  assert.ok(!attempts.wanted('a', away, noon + 3_600_000));
  attempts.renew('a');
  assert.ok(attempts.wanted('a', away, noon));
  assert.ok(!attempts.wanted('a', away, noon));
  attempts.renew();
  assert.ok(attempts.wanted('a', away, noon));
});

test('failures stay seen over sessions, and an older one does not undo it', async () => {
  const values = new Map<string, unknown>();
  const memory = {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as VS Code's Memento
    get: <T>(key: string, fallback: T): T => (values.get(key) ?? fallback) as T,
    update: async (key: string, value: unknown): Promise<void> => {
      await Promise.resolve();
      values.set(key, value);
    },
  };
  const seen = new FailuresSeen(memory, 'seen');
  assert.equal(seen.upTo, '');
  await seen.mark('2026-01-31T02:00:00Z');
  await seen.mark('2026-01-30T02:00:00Z');
  assert.equal(new FailuresSeen(memory, 'seen').upTo, '2026-01-31T02:00:00Z');
});
