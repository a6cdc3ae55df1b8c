import assert from 'node:assert/strict';
import { test } from 'node:test';

import { vmLabels } from '../../../server/base/vm-labels.ts';
import { pruneText } from '../../../server/cli/commands/repo-maintenance.ts';
import { runOutcome } from '../../../server/protocol/daemon.ts';

const point = (n: number): string => `01ARZ3NDEKTSV4RRFFQ69G5FA${n}`;

test('What a prune by number would delete is shown with VM and date, and with the host where two VMs share a name', () => {
  const decision = (n: number, host: string, vm: string, keep: boolean): object => ({
    restorePoint: point(n),
    vmId: `${n}0000000-0000-4000-8000-000000000000`,
    vm,
    host,
    createdAt: '2026-03-01T12:00:00Z',
    keep,
    reasons: [keep ? 'last 1 of 1' : 'older than the last 1'],
  });
  const decisions = [
    decision(1, 'hv01', 'sql01', false),
    decision(2, 'hv02', 'sql01', false),
    decision(3, 'hv01', 'web', true),
  ];
  const said = { kind: 'prune', kept: [point(3)], removed: [point(1), point(2)], dryRun: true, decisions };
  const outcome = runOutcome(said, 'outcome');
  assert(outcome.kind === 'prune');
  const text = pruneText(outcome, false);
  assert.match(text, /5FA1 +2026-03-01 \d\d:00 +hv01\/sql01 +goes: older than the last 1\n/);
  assert.match(text, /5FA2 +2026-03-01 \d\d:00 +hv02\/sql01 +goes/);
  assert.match(text, /5FA3 +2026-03-01 \d\d:00 +web +stays: last 1 of 1\n/);
  assert.ok(text.endsWith('\nWould delete 2 restore points, would keep 1.\n'), text);
  assert.match(pruneText(outcome, true), /no applied policy has made are left alone/);
});

test('Two VMs of one name on one host are told apart by their ids, and one that moved is one', () => {
  const a = { vmId: 'AAAAAAAA-0000-4000-8000-000000000000', vm: 'web', host: 'hv01' };
  const b = { ...a, vmId: 'BBBBBBBB-0000-4000-8000-000000000000' };
  const moved = { ...a, host: 'hv02' };
  assert.equal(vmLabels([a, b])(a), 'hv01/web (AAAAAAAA)');
  assert.equal(vmLabels([a, moved])(moved), 'web');
  assert.equal(vmLabels([a, { ...b, host: undefined }])({ ...b, host: undefined }), 'web (BBBBBBBB)');
});
