import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';
import { parse } from 'yaml';

import {
  checkPolicy,
  decideRetention,
  diagnosticCodes,
  occurrences,
  parsePolicy,
  selectVms,
} from '../../../server/policy/index.ts';
import { nearest } from '../../../server/policy/nearest.ts';
import { indexOf } from '../../../server/policy/rules/inventory-index.ts';
import { selectionOf } from '../../../server/policy/rules/selection.ts';
import { writtenText } from '../../../server/policy/schema/write.ts';
import { parseDuration, parseRate, writeDuration, writeRate } from '../../../server/policy/units.ts';
import type { PolicyInventory } from '../../../server/protocol/policy-inventory.ts';
import { idOf, now, world } from './world.ts';

test('A text is written so that YAML reads the same text, by itself and in brackets', () => {
  const words = fc.constantFrom(
    'true',
    'No',
    'null',
    '2024',
    '1e5',
    '0x1F',
    '22:00',
    '* * * * *',
    '*',
    'a, b',
    'a: b',
    'a #b',
    '-',
    'https://a/b?c=1',
    '10m',
    '',
  );
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), words), (text) => {
      for (const version of ['1.1', '1.2'] as const) {
        assert.deepEqual(parse(`a: ${writtenText(text)}\nb: [${writtenText(text)}, x]\n`, { version }), {
          a: text,
          b: [text, 'x'],
        });
      }
    }),
  );
});

test('Durations and rates are written as they are read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999 }), (seconds) =>
      assert.equal(parseDuration(writeDuration(seconds * 1000)), seconds * 1000),
    ),
  );
  fc.assert(
    fc.property(fc.integer({ min: 65_536, max: 2 ** 52 }), (rate) => assert.equal(parseRate(writeRate(rate)), rate)),
  );
  assert.deepEqual([0, 1000, 60_000, 90_000, 86_400_000].map(writeDuration), ['0s', '1s', '1m', '90s', '1d']);
  assert.deepEqual([70_000, 2 ** 16, 3 * 2 ** 29].map(writeRate), ['70000B/s', '64KiB/s', '1536MiB/s']);
});

/** Optimal string alignment, straight from its definition. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return Math.max(a.length, b.length);
  const steps = [
    distance(a.slice(1), b) + 1,
    distance(a, b.slice(1)) + 1,
    distance(a.slice(1), b.slice(1)) + Number(a[0] !== b[0]),
  ];
  if (a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0]) steps.push(distance(a.slice(2), b.slice(2)) + 1);
  return Math.min(...steps);
}

test('The nearest name is one that differs least, and none that differs much', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'q', '-', '1'), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(name, fc.array(name, { maxLength: 6 }), (text, candidates) => {
      const found = nearest(text, candidates);
      const distances = candidates.map((candidate) => distance(text, candidate));
      const allowed = Math.max(1, Math.floor(text.length / 3));
      const least = Math.min(...distances);
      if (found === undefined) assert.ok(least > allowed);
      else assert.deepEqual([distance(text, found), distance(text, found) <= allowed], [least, true]);
    }),
    { numRuns: 300 },
  );
});

test('Rules see the same selection as runs do', () => {
  const text = fc.constantFrom(
    '*',
    'a*',
    '*a',
    '*a*',
    '?b',
    'a?*',
    'AB',
    'ab',
    'ba',
    'b',
    idOf(1),
    idOf(2).toLowerCase(),
    idOf(9),
  );
  const host = fc.constantFrom('*', 'h1', 'H2', 'h?', '*1', 'nowhere');
  const entry = fc.record(
    {
      host,
      vms: fc.array(text, { minLength: 1, maxLength: 3 }),
      exclude: fc.array(text, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ['host', 'vms'] },
  );
  const vm = fc.record({
    host: fc.constantFrom('h1', 'h2', 'h10'),
    id: fc.integer({ min: 1, max: 6 }).map(idOf),
    name: fc.constantFrom('a', 'ab', 'AB', 'b', 'ba', 'cab'),
    state: fc.constantFrom('running' as const, 'saved' as const, 'off' as const),
  });
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 3 }), fc.array(vm, { maxLength: 8 }), (select, vms) => {
      const inventory: PolicyInventory = {
        hosts: [],
        vms: vms.map((each) => ({ ...each, configVersion: '9.0', rctBlockers: [], disks: [] })),
        repositories: [],
      };
      const seen = selectionOf(select, indexOf(inventory)).vms;
      assert.deepEqual(
        [...seen.keys()].sort(),
        selectVms(select, inventory)
          .map(({ id }) => id)
          .sort(),
      );
      const chosen = selectVms(select, inventory);
      assert.deepEqual(
        chosen,
        inventory.vms.filter((each) => chosen.includes(each)),
        'in their order',
      );
      for (const each of chosen) {
        assert.equal(seen.get(each.id)?.vm.state, each.state);
        const others = inventory.vms.filter(
          ({ id, ...other }) => id === each.id && selectVms(select, { vms: [{ id, ...other }] }).length > 0,
        );
        assert.ok(each.state === 'running' || others.every(({ state }) => state === each.state || state === 'off'));
      }
      for (const { vm: taken, entry: at, item } of seen.values()) {
        const named = select[at]?.vms[item] ?? '';
        assert.ok(
          selectVms([{ host: select[at]?.host ?? '', vms: [named] }], inventory).some(({ id }) => id === taken.id),
        );
      }
    }),
    { numRuns: 1000 },
  );
});

const day = 86_400_000;

/** Rules that keep a restore point by themselves alone, on some day of the last year of three. */
function usefulRules(cron: string, retention: Readonly<Record<string, number>>): ReadonlySet<string> {
  const start = now - 3 * 366 * day;
  const points = occurrences({ cron, timezone: 'UTC' }, { after: start, until: now, limit: 100_000 }).map(
    (createdAt) => ({
      id: `${createdAt}`,
      createdAt,
      pinned: false,
      good: true,
    }),
  );
  const useful = new Set<string>();
  for (
    let end = points.length;
    end > 0 && (points[end - 1]?.createdAt ?? 0) > now - 380 * day;
    end -= Math.ceil(points.length / 200)
  ) {
    for (const { reasons } of decideRetention(points.slice(0, end), retention, 'UTC')) {
      const [only = '', ...more] = reasons;
      if (more.length === 0) useful.add(only.split(' ')[0] ?? '');
    }
  }
  return useful;
}

test('A rule of the retention that is called needless keeps nothing by itself, on any day', () => {
  const cron = fc.constantFrom(
    '0 3 * * *',
    '0 3 * * MON-SAT',
    '0 3 * * SUN',
    '0 3 1 * *',
    '0 */6 * * *',
    '0 3 1,15 * *',
    '0 3 L * *',
  );
  const counts = fc.record({
    keepLast: fc.integer({ min: 0, max: 40 }),
    keepHourly: fc.integer({ min: 0, max: 60 }),
    keepDaily: fc.integer({ min: 0, max: 40 }),
    keepWeekly: fc.integer({ min: 0, max: 8 }),
    keepMonthly: fc.integer({ min: 0, max: 14 }),
    keepYearly: fc.integer({ min: 0, max: 3 }),
  });
  let needless = 0;
  fc.assert(
    fc.property(cron, counts, (expression, retention) => {
      const text = `name: a\nrepository: main\nselect: [{ host: hv01, vms: [web-01] }]\nschedule: [{ cron: "${expression}" }]\nretention: ${JSON.stringify(retention)}\n`;
      const source = parsePolicy(text);
      const useful = usefulRules(expression, retention);
      for (const { code, range, message } of checkPolicy(source, { now, inventory: world, others: [] })) {
        if (
          code !== diagnosticCodes.retentionUnreachable ||
          !/keeps everything that this keeps|always stays/.test(message)
        )
          continue;
        needless += 1;
        const rule = /keep(\w+)/.exec(text.slice(range.start, range.end))?.[1]?.toLowerCase() ?? '';
        assert.ok(!useful.has(rule), `${expression} ${JSON.stringify(retention)}: ${message} (${rule})`);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(needless > 20, `${needless} rules`);
});
