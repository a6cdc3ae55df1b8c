import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runText } from '../../../server/cli/commands/run.ts';
import { policyProgressView } from '../../../server/cli/policy-progress.ts';
import { policyRunText } from '../../../server/cli/policy-run.ts';
import { styleFor } from '../../../server/cli/terminal.ts';
import { runInfo } from '../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { FakeTerminal } from './fake-terminal.ts';

const guid = (digit: string): string => `${digit.repeat(8)}-0000-0000-0000-000000000000`;
const ulid = (digit: string): string => `01JD000000000000000000000${digit}`;
const parentId = ulid('0');
const still = { phase: 'finished', disks: [], doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };

function parent(more: object = {}): RunInfo {
  const request = { kind: 'policy', policy: 'nightly', trigger: 'manual' };
  const run = { id: parentId, request, title: 'Policy nightly', state: 'running', queuedAt: '2026-11-01T09:00:00Z' };
  return runInfo({ ...run, progress: still, warnings: [], sequence: 1, ...more }, 'run');
}

function child(digit: string, vm: string, sequence: number, more: object = {}): RunInfo {
  const request = {
    kind: 'backup',
    vm,
    repository: 'main',
    type: 'incremental',
    consistency: 'crash',
    excludeDisks: [],
    policy: 'nightly',
  };
  const progress = {
    ...still,
    phase: 'transfer',
    doneBytes: 512 * 1024,
    totalBytes: 1024 * 1024,
    bytesPerSecond: 1024,
  };
  const times = { queuedAt: '2026-11-01T09:00:00Z', startedAt: '2026-11-01T09:00:00Z' };
  const run = { id: ulid(digit), parent: parentId, request, title: `hv01/${vm} → main`, state: 'running', ...times };
  return runInfo({ ...run, progress, warnings: [], sequence, ...more }, 'run');
}

const done = { state: 'succeeded', finishedAt: '2026-11-01T09:00:04Z', progress: still };

test('On a terminal the run of a policy has a bar for each VM that is being backed up, and counts those that are done', () => {
  const terminal = new FakeTerminal({ interactive: true });
  const view = policyProgressView(terminal, styleFor(terminal));
  view.update(
    parent({
      progress: { ...still, disks: ['sql01', 'sql02', 'sql03'].map((name) => ({ name, doneBytes: 0, totalBytes: 0 })) },
    }),
  );
  view.child?.(child('1', 'sql01', 1));
  view.child?.(child('2', 'sql02', 5));
  const [head = '', first = '', second = ''] = terminal.screen();
  assert.equal(head, 'Policy nightly, 0 of 3 VMs done, 2 KiB/s');
  assert.match(first, /^hv01\/sql01 +█+░+ +50% +512 KiB of 1 MiB/);
  assert.match(second, /^hv01\/sql02 /);
  view.child?.(child('1', 'sql01', 2, done));
  // A state that comes late is older than what is known.
  view.child?.(child('2', 'sql02', 4, done));
  view.child?.(child('3', 'sql03', 1, { ...done, state: 'failed' }));
  assert.equal(terminal.screen()[0], 'Policy nightly, 1 of 3 VMs done, 1 failed, 1 KiB/s');
  assert.match(terminal.screen()[1] ?? '', /^hv01\/sql02 /);
  view.child?.(child('2', 'sql02', 6, done));
  assert.equal(terminal.screen()[0], 'Policy nightly, 2 of 3 VMs done, 1 failed and may be tried again');
  view.child?.(child('4', 'sql03', 1, done));
  assert.equal(terminal.screen()[0], 'Policy nightly, 3 of 3 VMs done');
  view.end();
  assert.equal(terminal.screen().join(''), '');
});

test('In a pipe each VM is one line when it is done, once', () => {
  const terminal = new FakeTerminal();
  const view = policyProgressView(terminal, styleFor(terminal));
  const error = { code: 'TM2001', message: 'The agent of hv01 cannot be reached.' };
  view.child?.(child('1', 'sql01', 1));
  view.child?.(child('1', 'sql01', 2, done));
  view.child?.(child('1', 'sql01', 2, done));
  view.child?.(child('2', 'sql02', 1, { ...done, state: 'failed', error }));
  view.update(parent({ warnings: ['hv02 does not answer.'] }));
  assert.equal(
    terminal.errorText,
    'hv01/sql01 → main: succeeded in 4.0 s\nhv01/sql02 → main: failed: The agent of hv01 cannot be reached. (TM2001)\nwarning: hv02 does not answer.\n',
  );
});

test('What a policy run did names each VM, why one failed or was skipped, and what retention and verification found', () => {
  const rest = { attempts: 1, warnings: [], readBytes: 0, storedBytes: 0, durationMs: 0 };
  const outcome = {
    kind: 'policy',
    policy: 'nightly',
    version: 3,
    vms: [
      {
        ...rest,
        host: 'hv01',
        vmId: guid('1'),
        vm: 'sql01',
        result: 'succeeded',
        restorePoint: ulid('7'),
        readBytes: 2048,
        storedBytes: 1024,
        durationMs: 4000,
        attempts: 2,
      },
      {
        ...rest,
        host: 'hv01',
        vmId: guid('2'),
        vm: 'sql02',
        result: 'failed',
        error: { code: 'TM2107', message: 'No checkpoint.' },
      },
      { ...rest, vmId: guid('3'), vm: 'sql03', result: 'skipped', reason: 'It was in another run.' },
    ],
    retention: { removed: [ulid('8')], kept: 5 },
    verification: { restorePoints: 1, problems: 2 },
  };
  const text = policyRunText(parent({ state: 'failed', outcome }));
  assert.match(text, /\nhv01\/sql01 +succeeded, attempt 2 +2 KiB +1 KiB +4\.0 s +01JD/);
  assert.match(text, /\n {2}hv01\/sql02: No checkpoint\. \(TM2107\)\n {2}sql03: It was in another run\.\n/);
  assert.match(
    text,
    /\nVerified 1 restore point: damaged in 2 places\.\nRetention removed 1 restore point, kept 5\.\n$/,
  );
  assert.equal(policyRunText(parent()), '');
});

test('A run that stands for missed ones says for how many and since when, and VMs that failed say what to do', () => {
  const missed = ['2026-11-01T02:13:00Z', '2026-11-01T02:14:00Z'];
  const request = { kind: 'policy', policy: 'nightly', missed };
  const vm = { vm: 'sql01', vmId: guid('1'), result: 'failed', attempts: 1, readBytes: 0, storedBytes: 0 };
  const error = { code: 'TM2001', message: 'Host hv01 does not answer.', hint: 'Is its agent running?' };
  const vms = [{ ...vm, host: 'hv01', durationMs: 0, warnings: [], error }];
  const outcome = { kind: 'policy', policy: 'nightly', version: 1, vms };
  const text = runText(parent({ request: { ...request, trigger: 'schedule' }, ...done, outcome }));
  assert.match(text, /stands for +2 missed runs since 2026-11-0/);
  assert.match(text, / {2}hv01\/sql01: Host hv01 does not answer\. \(TM2001\) Is its agent running\?\n/);
  assert.match(runText(parent({ request: { ...request, trigger: 'missed' } })), /stands for +3 missed runs since/);
  assert.doesNotMatch(runText(parent()), /stands for/);
});
