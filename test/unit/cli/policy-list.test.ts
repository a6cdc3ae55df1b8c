import assert from 'node:assert/strict';
import { test } from 'node:test';

import { listText } from '../../../server/cli/commands/policy.ts';
import { appliedPolicy } from '../../../server/protocol/daemon.ts';
import type { AppliedPolicy } from '../../../server/protocol/daemon.ts';
import { fakeContext } from './fake-terminal.ts';

function policyOf(more: object): AppliedPolicy {
  const current = {
    version: 1,
    sha256: 'a'.repeat(64),
    at: '2026-11-01T09:00:00Z',
    by: 'anna@laptop',
    change: 'applied',
  };
  return appliedPolicy({ name: 'nightly', repository: 'main', current, vms: 2, problems: [], ...more }, 'policy');
}

function rowOf(more: object): string {
  return listText(fakeContext(), [policyOf(more)]).split('\n')[1] ?? '';
}

const run = { id: '01JD0000000000000000000000', state: 'running', succeeded: 0, total: 0 };

test('A run that has not looked up its VMs counts none', () => {
  assert.match(rowOf({ lastRun: run }), /^nightly +active +2 +running +main$/);
  assert.match(rowOf({ lastRun: { ...run, state: 'failed', succeeded: 1, total: 3 } }), / failed 1\/3 /);
});

test('Moments of a policy are told in its zone, with the name of the zone', () => {
  const timezone = 'Europe/Warsaw';
  const nextRun = { at: '2026-11-29T01:00:00Z', type: 'full' };
  assert.match(rowOf({ timezone, nextRun }), / never +Sun 2026-11-29 02:00 \(Europe\/Warsaw\) +main$/);
  const paused = { since: '2026-11-01T09:00:00Z', by: 'anna@laptop', until: '2026-12-01T09:00:00Z' };
  assert.match(rowOf({ timezone, paused }), / paused until Tue 2026-12-01 10:00 \(Europe\/Warsaw\) /);
});

test('While hosts have not told their VMs, nobody says that a policy takes in none', () => {
  assert.match(rowOf({ vms: 0 }), /^nightly +active +\? +never/);
  assert.match(rowOf({ vms: 0, problems: ['It takes in no VM.'] }), /^nightly +see below +0 +never/);
});
