import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { parsePolicy, policyChanges } from '../../../server/policy/index.ts';
import type { Policy } from '../../../server/policy/index.ts';

const base = `name: nightly-sql
repository: main
select:
  - host: hv01
    vms: [sql-*]
`;

function policy(text: string): Policy {
  const { policy: parsed, diagnostics } = parsePolicy(text);
  assert.ok(parsed, JSON.stringify(diagnostics));
  return parsed;
}

const changes = (before: string, after: string) => policyChanges(policy(base + before), policy(base + after));

test('Equal policies have no differences, however their values and keys are written', () => {
  assert.deepEqual(
    changes(
      'retry: { delay: 60s }\nexport: { bandwidth: 1024MiB/s, threads: 2 }\nwindow: { from: "6:00", to: "22:00" }\n',
      'window:\n  to: "22:00"\n  from: "06:00"\nexport: { threads: 2, bandwidth: 1GiB/s }\nretry: { delay: 1m }\n',
    ),
    [],
  );
});

test('A changed value is named by its path, both sides as a policy writes them', () => {
  assert.deepEqual(
    changes(
      'window: { from: "22:00", to: "06:00" }\nexport: { bandwidth: 200MiB/s }\nretention: { keepDaily: 7 }\nretry: { delay: 10m }\n',
      'window: { from: "21:30", to: "06:00" }\nexport: { bandwidth: 1GiB/s }\nretention: { keepDaily: 14 }\nretry: { delay: 90s }\n',
    ),
    [
      { path: 'window.from', before: '"22:00"', after: '"21:30"' },
      { path: 'export.bandwidth', before: '200MiB/s', after: '1GiB/s' },
      { path: 'retention.keepDaily', before: '7', after: '14' },
      { path: 'retry.delay', before: '10m', after: '90s' },
    ],
  );
});

test('A key that came or went has one side', () => {
  assert.deepEqual(changes('verify: weekly\n', 'retention: { keepDaily: 7, keepLast: 3 }\n'), [
    { path: 'retention', after: '{ keepLast: 3, keepDaily: 7 }' },
    { path: 'verify', before: 'weekly' },
  ]);
  assert.deepEqual(changes('retention: { keepDaily: 7 }\n', 'retention: { keepDaily: 7, keepYearly: 2 }\n'), [
    { path: 'retention.keepYearly', after: '2' },
  ]);
});

test('Lists tell which entries were added and removed; their order does not count', () => {
  assert.deepEqual(
    changes('disks: { exclude: [scratch*, tmp*] }\n', 'disks: { exclude: [tmp*, "2024", scratch*] }\n'),
    [{ path: 'disks.exclude', after: '"2024"' }],
  );
  assert.deepEqual(changes('disks: { exclude: [a, b] }\n', 'disks: { exclude: [c, a] }\n'), [
    { path: 'disks.exclude', before: 'b' },
    { path: 'disks.exclude', after: 'c' },
  ]);
  assert.deepEqual(changes('disks: { exclude: [a] }\n', 'disks: { exclude: [a, a] }\n'), [
    { path: 'disks.exclude', after: 'a' },
  ]);
});

test('An entry of select or schedule that begins alike is one that changed, any other one came or went', () => {
  assert.deepEqual(
    policyChanges(policy(base), policy(`${base}    exclude: [sql-test*]\n  - { host: hv02, vms: ["*"] }\n`)),
    [
      { path: 'select[0].exclude', after: '[sql-test*]' },
      { path: 'select[1]', after: '{ host: hv02, vms: ["*"] }' },
    ],
  );
  const moved = base
    .replace('select:\n', 'select:\n  - vms: [dc01, web]\n    host: hv00\n')
    .replace('sql-*', 'sql-*, ex1');
  assert.deepEqual(policyChanges(policy(base), policy(moved)), [
    { path: 'select[0]', after: '{ host: hv00, vms: [dc01, web] }' },
    { path: 'select[1].vms', after: 'ex1' },
  ]);
  assert.deepEqual(
    changes(
      'schedule:\n  - { cron: "0 2 * * *" }\n  - { cron: "0 3 * * SUN", type: full }\n',
      'schedule:\n  - { cron: "0 3 * * SUN" }\n  - { cron: "0 4 * * *", jitter: 600s }\n',
    ),
    [
      { path: 'schedule[0]', before: '{ cron: "0 2 * * *" }' },
      { path: 'schedule[0].type', before: 'full' },
      { path: 'schedule[1]', after: '{ cron: "0 4 * * *", jitter: 10m }' },
    ],
  );
});

test('A time zone that follows from the schedule is a difference when it follows no more', () => {
  const warsaw = '{ cron: "0 2 * * *", timezone: Europe/Warsaw }';
  const newYork = '{ cron: "0 8 * * *", timezone: America/New_York }';
  assert.deepEqual(
    changes(`schedule:\n  - ${warsaw}\n  - ${newYork}\n`, `schedule:\n  - ${newYork}\n  - ${warsaw}\n`),
    [{ path: 'timezone', before: 'Europe/Warsaw', after: 'America/New_York' }],
  );
});

test('A long value is cut so that a plan can carry it', () => {
  const vms = Array.from({ length: 1000 }, (_, index) => `vm-${index}`).join(', ');
  const [added, ...others] = policyChanges(policy(base), policy(`${base}  - { host: hv02, vms: [${vms}] }\n`));
  assert.deepEqual(others, []);
  assert.match(added?.after ?? '', /^\{ host: hv02, vms: \[vm-0, vm-1, .*…$/);
  assert.equal(added?.after?.length, 1024);
});

test('Whatever two policies are, they differ from themselves in nothing, and both ways in the same places', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'sql-*', '"2024"', '"*"'), { minLength: 1, maxLength: 4 });
  const entry = fc.record({ host: fc.constantFrom('hv01', 'hv02', '"*"'), vms: names });
  const text = fc
    .record({ select: fc.array(entry, { minLength: 1, maxLength: 4 }), daily: fc.nat(3), delay: fc.nat(200) })
    .map(
      ({ select, daily, delay }) =>
        `name: a\nrepository: main\nselect:\n${select.map(({ host, vms }) => `  - { host: ${host}, vms: [${vms.join(', ')}] }\n`).join('')}` +
        `retention: { keepDaily: ${daily} }\nretry: { delay: ${delay + 1}s }\n`,
    );
  fc.assert(
    fc.property(text, text, (left, right) => {
      assert.deepEqual(policyChanges(policy(left), policy(left)), []);
      const there = policyChanges(policy(left), policy(right));
      const back = policyChanges(policy(right), policy(left));
      assert.equal(there.length === 0, back.length === 0);
      const sides = (list: typeof there) => [
        list.filter(({ before }) => before !== undefined).length,
        list.filter(({ after }) => after !== undefined).length,
      ];
      assert.deepEqual(sides(there), sides(back).toReversed());
    }),
  );
});
