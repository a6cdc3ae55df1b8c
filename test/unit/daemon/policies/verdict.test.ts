import assert from 'node:assert/strict';
import { test } from 'node:test';

import { verdict } from '../../../../server/daemon/policies/run/verdict.ts';
import type { PolicyRunVm } from '../../../../server/protocol/daemon.ts';
import { restorePointId, runId, vmId } from '../../../../server/protocol/ids.ts';

const id = runId('01JD0000000000000000000000', 'run');

function vm(more: Partial<PolicyRunVm>): PolicyRunVm {
  const of = vmId('11111111-0000-0000-0000-000000000000', 'vm');
  return {
    vm: 'sql01',
    vmId: of,
    result: 'failed',
    attempts: 1,
    readBytes: 0,
    storedBytes: 0,
    durationMs: 0,
    warnings: [],
    ...more,
  };
}

function hintOf(vms: readonly PolicyRunVm[]): string | undefined {
  const outcome = { kind: 'policy', policy: 'nightly', version: 1, vms: [...vms] } as const;
  return verdict(outcome, { unknownHosts: [] }, { id, warn: () => undefined })?.hint;
}

test('A run of a policy that failed names the command for its report, and what can be used only when something was backed up', () => {
  const command = `What happened, VM by VM: tidemark run report ${id}.`;
  assert.equal(hintOf([vm({})]), command);
  assert.equal(hintOf([]), command);
  const restorePoint = restorePointId('01JD0000000000000000000001', 'restore point');
  assert.equal(
    hintOf([vm({}), vm({ result: 'succeeded', restorePoint })]),
    `${command} What was backed up can be used.`,
  );
});
