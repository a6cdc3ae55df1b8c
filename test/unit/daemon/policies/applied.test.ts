import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { appliedPolicy } from '../../../../server/daemon/policies/applied.ts';
import { fullSuccess, LastRuns } from '../../../../server/daemon/policies/last-runs.ts';
import { Selections } from '../../../../server/daemon/policies/selections.ts';
import type { KeptPolicy } from '../../../../server/daemon/policies/registry.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import { appliedPolicy as parseApplied, runInfo } from '../../../../server/protocol/daemon.ts';
import type { AppliedPolicy, RunInfo } from '../../../../server/protocol/daemon.ts';
import { policyInventory } from '../../../../server/protocol/policy-inventory.ts';
import type { PolicyInventory } from '../../../../server/protocol/policy-inventory.ts';

const now = Date.UTC(2026, 2, 10, 12);

function inventory(vms: readonly string[], more: object = {}): PolicyInventory {
  const vm = { host: 'hv01', state: 'running', configVersion: '9.0', rctBlockers: [], disks: [] };
  return policyInventory(
    {
      hosts: [{ name: 'hv01', known: true }],
      vms: vms.map((name, number) => ({
        ...vm,
        id: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
        name,
      })),
      repositories: [{ name: 'main', location: '/backup' }],
      ...more,
    },
    'inventory',
  );
}

function kept(select: string, more: Partial<KeptPolicy> = {}): KeptPolicy {
  const text = `name: nightly\nrepository: main\nselect: ${select}\n`;
  const version = {
    version: 1,
    sha256: 'a'.repeat(64),
    at: '2026-01-01T00:00:00Z',
    by: 'x',
    change: 'applied',
  } as const;
  const { policy } = parsePolicy(text);
  assert(policy);
  const paused = undefined;
  return {
    name: 'nightly',
    version,
    text,
    policy,
    repository: 'main',
    paused,
    lastSuccessAt: undefined,
    problem: undefined,
    ...more,
  };
}

function entryOf(policy: KeptPolicy, known: PolicyInventory): AppliedPolicy {
  const lastRuns = new LastRuns(() => undefined);
  const entry = appliedPolicy(policy, {
    now,
    inventory: known,
    selections: new Selections(),
    lastRuns,
    schedule: undefined,
  });
  return parseApplied(JSON.parse(JSON.stringify(entry)), 'entry');
}

function policyRun(id: string, state: string, results: readonly string[] = []): RunInfo {
  const vm = { vmId: '00000000-0000-4000-8000-000000000000', vm: 'sql01', attempts: 1, warnings: [] };
  const vms = results.map((result) => ({ ...vm, result, readBytes: 0, storedBytes: 0, durationMs: 0 }));
  const isOver = results.length > 0;
  const progress = { phase: 'queued', disks: [], doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };
  return runInfo(
    {
      id,
      request: { kind: 'policy', policy: 'nightly', trigger: 'schedule' },
      title: 'Policy nightly',
      state,
      queuedAt: '2026-03-01T00:00:00Z',
      ...(isOver
        ? { finishedAt: '2026-03-01T01:00:00Z', outcome: { kind: 'policy', policy: 'nightly', version: 1, vms } }
        : {}),
      progress,
      warnings: [],
      sequence: 1,
    },
    'run',
  );
}
const runIds = ['01ARZ3NDEKTSV4RRFFQ69G5FA1', '01ARZ3NDEKTSV4RRFFQ69G5FA2'] as const;

describe('an entry of the list of policies', () => {
  it('has no problem when its repository, its hosts and its VMs are there', () => {
    const entry = entryOf(kept("[{ host: 'hv*', vms: [sql*] }]"), inventory(['sql01', 'sql02', 'web01']));
    assert.deepEqual(entry.problems, []);
    assert.equal(entry.vms, 2);
  });

  it('says what is gone: its repository, a host, all VMs', () => {
    const known = inventory(['web01']);
    const gone = kept('[{ host: hv09, vms: [x] }, { host: hv01, vms: [sql*] }]', { repository: 'old' });
    assert.deepEqual(
      entryOf(gone, known).problems.map((text) => text.split('.')[0]),
      ['There is no repository named old', 'There is no host hv09', 'It takes in no VM'],
    );
    // One host that did not answer yet, and nothing can be said.
    const unknown = inventory([], { hosts: [{ name: 'hv01', known: false }] });
    assert.deepEqual(entryOf(kept('[{ host: hv01, vms: [sql*] }]'), unknown).problems, []);
  });

  it('shows a policy that this version cannot read, with what to do', () => {
    const unreadable = kept('[{ host: hv01, vms: [x] }]', { policy: undefined, problem: 'It cannot be read.' });
    const entry = entryOf(unreadable, inventory([]));
    assert.deepEqual(entry.problems, ['It cannot be read. Apply it again from its file.']);
    assert.equal(entry.repository, 'main');
  });

  it('shows a pause until its time has come', () => {
    const pause = { since: '2026-03-01T00:00:00Z', by: 'anna' };
    const entry = (until: string | undefined): AppliedPolicy =>
      entryOf(
        kept('[{ host: hv01, vms: [x] }]', { paused: { ...pause, ...(until === undefined ? {} : { until }) } }),
        inventory([]),
      );
    assert.equal(entry(undefined).paused?.by, 'anna');
    assert.equal(entry('2026-03-10T12:00:01Z').paused?.by, 'anna');
    assert.equal(entry('2026-03-10T12:00:00Z').paused, undefined);
  });
});

describe('the last runs of policies', () => {
  it('are read once, and told of when a run is queued, changes its state or ends', () => {
    let reads = 0;
    const lastRuns = new LastRuns(() => {
      reads += 1;
      return policyRun(runIds[0], 'failed', ['succeeded', 'failed']);
    });
    assert.deepEqual([lastRuns.of('nightly')?.succeeded, lastRuns.of('nightly')?.total], [1, 2]);
    assert.equal(reads, 1);
    assert.equal(lastRuns.push(policyRun(runIds[1], 'running')), 'nightly');
    assert.equal(lastRuns.push(policyRun(runIds[1], 'running')), undefined);
    assert.equal(lastRuns.push(policyRun(runIds[0], 'cancelled')), undefined);
    assert.equal(lastRuns.push(policyRun(runIds[1], 'succeeded', ['succeeded'])), 'nightly');
    assert.equal(lastRuns.of('nightly')?.finishedAt, '2026-03-01T01:00:00Z');
    assert.equal(reads, 1);
  });

  it('are a success when every VM was backed up', () => {
    assert.equal(fullSuccess(policyRun(runIds[0], 'succeeded', ['succeeded', 'succeeded'])), '2026-03-01T01:00:00Z');
    assert.equal(fullSuccess(policyRun(runIds[0], 'succeeded', ['succeeded', 'skipped'])), undefined);
    assert.equal(fullSuccess(policyRun(runIds[0], 'running')), undefined);
    const failed = policyRun(runIds[0], 'failed', ['succeeded', 'succeeded']);
    assert.equal(fullSuccess(failed), undefined, 'of a host nothing was known, or damage was found');
  });
});

describe('counted selections', () => {
  it('follow VMs that come, are renamed or move, and policies that change', () => {
    const selections = new Selections();
    const select = (text: string) => {
      const { policy } = kept(text);
      assert(policy);
      return policy;
    };
    const all = select("[{ host: hv01, vms: ['sql*'] }]");
    assert.equal(selections.count(all, inventory(['sql01'])), 1);
    assert.equal(selections.count(all, inventory(['sql01', 'sql02'])), 2);
    assert.equal(selections.count(all, inventory(['sql01', 'web02'])), 1);
    const { vms } = inventory(['sql01', 'sql02']);
    assert.equal(selections.count(all, { vms: vms.map((vm) => ({ ...vm, host: 'hv02' })) }), 0);
    assert.equal(selections.count(select("[{ host: '*', vms: ['*'] }]"), { vms }), 2);
  });
});
