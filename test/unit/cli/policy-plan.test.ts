import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changesNothing, planText, summary } from '../../../server/cli/policy-plan.ts';
import { styleFor } from '../../../server/cli/terminal.ts';
import { policyPlan } from '../../../server/protocol/daemon.ts';
import type { PolicyPlan } from '../../../server/protocol/daemon.ts';

const style = styleFor({ colors: false });
const hash = (digit: string): string => digit.repeat(64);
const guid = (digit: string): string => `${digit.repeat(8)}-0000-0000-0000-000000000000`;
const point = (digit: string): string => `01JD000000000000000000000${digit}`;

/** A plan in which everything happens. */
function samplePlan(more: Partial<Record<keyof PolicyPlan, unknown>> = {}): PolicyPlan {
  return policyPlan(
    {
      name: 'nightly',
      timezone: 'Europe/Warsaw',
      sha256: hash('a'),
      base: { version: 3, sha256: hash('b'), at: '2026-11-01T09:00:00Z', by: 'anna@laptop', change: 'applied' },
      changes: [
        { path: 'retention.keepDaily', before: '7', after: '14' },
        { path: 'verify', after: 'weekly' },
        { path: 'window', before: '22:00 to 06:00' },
      ],
      vms: [
        { host: 'hv01', vmId: guid('1'), vm: 'sql01', change: 'kept' },
        { host: 'hv01', vmId: guid('2'), vm: 'sql02', change: 'new' },
        { host: 'hv02', vmId: guid('3'), vm: 'sql-03', change: 'dropped' },
      ],
      nextRuns: [
        { at: '2026-10-25T00:30:00Z', type: 'incremental' },
        { at: '2026-10-25T01:30:00Z', type: 'full' },
      ],
      retention: [
        {
          restorePoint: point('1'),
          vmId: guid('1'),
          vm: 'sql01',
          createdAt: '2026-10-24T22:30:00Z',
          keep: true,
          reasons: ['last 1 of 1'],
        },
        {
          restorePoint: point('0'),
          vmId: guid('1'),
          vm: 'sql01',
          createdAt: '2026-10-23T22:30:00Z',
          keep: false,
          reasons: ['no rule keeps it'],
        },
      ],
      findings: [],
      warnings: ['hv02 does not answer.'],
      ...more,
    },
    'plan',
  );
}

test('A plan says what changes, which VMs come and go, when it runs, what is removed and why, and ends with the sum', () => {
  const text = planText(samplePlan(), style);
  assert.match(text, /^Policy nightly, compared with version 3, applied 2026-11-01 \d\d:00 by anna@laptop\.\n/);
  const parts = text.split('\n\n').slice(1);
  assert.deepEqual(parts, [
    'Changes\n  ~ retention.keepDaily  7 → 14\n  + verify               weekly\n  - window               22:00 to 06:00',
    'Virtual machines\n  + hv01/sql02   new\n  - hv02/sql-03  dropped: not backed up any more, its restore points stay\n    1 VM unchanged',
    // Both are half past two on the clock: the hour comes twice that night.
    'Next runs (Europe/Warsaw)\n    Sun 2026-10-25 02:30  incremental\n    Sun 2026-10-25 02:30  full',
    `Restore points that the retention would remove, after the next successful run of their VM\n  - ${point('0')}  Sat 2026-10-24 00:30  sql01  no rule keeps it\n    1 restore point stays`,
    'warning: hv02 does not answer.',
    'Plan: 1 VM new, 1 dropped, 1 unchanged; 1 restore point would be removed.\n',
  ]);
});

test('The plan of a new policy does not repeat its file, and says when nothing is backed up', () => {
  const plan = samplePlan({ base: undefined, vms: [], nextRuns: [], retention: [], warnings: [] });
  const text = planText(plan, style);
  assert.match(
    text,
    /^Policy nightly is new\.\n\nVirtual machines\n {2}none: the policy takes in no VM\.\n\nNext runs\n {4}none by schedule/,
  );
  assert.doesNotMatch(text, /Changes|Retention/);
  assert.equal(summary(plan), 'Plan: 0 VMs new, 0 dropped, 0 unchanged; no restore point would be removed.');
});

test('A text that is applied already is told from one that is not', () => {
  assert.equal(changesNothing(samplePlan()), false);
  const same = samplePlan({ sha256: hash('b'), changes: [] });
  assert.equal(changesNothing(same), true);
  assert.match(planText(same, style), /^Policy nightly is version 3, applied .*\. The file has not changed since\.\n/);
});

test('A list of thousands is cut, and the sum still counts all', () => {
  const vms = Array.from({ length: 5000 }, (_, index) => ({
    host: 'hv01',
    vmId: `${index.toString().padStart(8, '0')}-0000-0000-0000-000000000000`,
    vm: `vm-${index}`,
    change: 'new',
  }));
  const text = planText(samplePlan({ vms }), style);
  assert.ok(text.split('\n').length < 100);
  assert.match(text, /\n {4}and 4950 more; --json shows all\n/);
  assert.match(text, /\nPlan: 5000 VMs new/);
});

test('Where the restore points cannot be read, no plan says that none would go', () => {
  const plan = samplePlan({ retention: [], retentionUnknown: true });
  assert.equal(
    summary(plan),
    'Plan: 1 VM new, 1 dropped, 1 unchanged; which restore points would be removed is not known.',
  );
});

test('The plan of a paused policy says that its runs wait for the end of the pause', () => {
  const since = { since: '2026-10-24T09:00:00Z', by: 'anna@laptop' };
  assert.match(
    planText(samplePlan({ paused: since }), style),
    /^Next runs \(Europe\/Warsaw\)\n {4}paused: none starts before: tidemark policy resume nightly\n/m,
  );
  assert.match(
    planText(samplePlan({ paused: { ...since, until: '2026-10-25T00:00:00Z' } }), style),
    /^ {4}paused until Sun 2026-10-25 02:00\n/m,
  );
});
