import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { PolicyRunVm, RunInfo } from '../../../../server/protocol/daemon.ts';
import { loading, ready, unread } from '../../../../client/stores/cached.ts';
import type { Cached } from '../../../../client/stores/cached.ts';
import { RunsModel } from '../../../../client/views/runs/runs-model.ts';
import type { RunsNode } from '../../../../client/views/runs/runs-nodes.ts';
import { ShownTree } from '../../../../client/views/tree/shown-tree.ts';
import { sampleRun } from '../support/samples.ts';
import { allNodes, gib, hoursAgo, labels, noon, pointOf, vmIdOf } from './support/world.ts';

/** A model of the runs that a test changes. */
function made(runs: readonly RunInfo[]) {
  const known: { runs: Cached<readonly RunInfo[]>; connected: boolean } = { runs: ready(runs, noon), connected: true };
  const model = new RunsModel({
    get runs() {
      return known.runs;
    },
    run: (id) => known.runs.value.find((run) => run.id === id),
    get connected() {
      return known.connected;
    },
    now: noon,
  });
  const find = (id: string): RunsNode => {
    const node = allNodes(model).find((other) => other.id === id);
    assert.ok(node !== undefined, `no node ${id}`);
    return node;
  };
  return { known, model, find };
}

/** A backup in the middle of its transfer. */
function running(n: number, doneBytes = 1.5 * gib): RunInfo {
  return {
    ...sampleRun(n, 'running'),
    title: 'hv01/sql01 → main',
    request: {
      kind: 'backup',
      vm: 'sql01',
      repository: 'main',
      type: 'full',
      consistency: 'application',
      excludeDisks: [],
    },
    startedAt: hoursAgo(1),
    progress: {
      phase: 'transfer',
      disks: [
        { name: 'os', doneBytes, totalBytes: 2 * gib },
        { name: 'data', doneBytes: 0, totalBytes: gib },
        { name: 'empty', doneBytes: 0, totalBytes: 0 },
      ],
      doneBytes,
      totalBytes: 3 * gib,
      bytesPerSecond: 210 * 1024 ** 2,
      etaSeconds: 63,
    },
  };
}

const ended = (n: number, state: 'succeeded' | 'failed' | 'cancelled' | 'interrupted', hours: number): RunInfo => ({
  ...sampleRun(n, state),
  startedAt: hoursAgo(hours),
  finishedAt: hoursAgo(hours),
});

test('a run that transfers shows bar, amount, throughput and the time left', () => {
  const { model, find } = made([running(1)]);
  const row = model.row(find(`run/${running(1).id}`));
  assert.equal(row.label, 'hv01/sql01 → main');
  assert.equal(row.description, '▓▓▓▓▓░░░░░ 50 % · 1.5 GiB of 3 GiB · 210 MiB/s · 2 min left');
  assert.equal(row.icon?.name, 'sync~spin');
  assert.equal(row.context, 'tidemark.run+running+active+backup');
});

test('its disks show how far each is, and one without changes says so', () => {
  const { model, find } = made([running(1)]);
  const nodes = model.children(find(`run/${running(1).id}`));
  assert.deepEqual(
    nodes.map((node) => [model.row(node).label, model.row(node).description]),
    [
      ['os', '▓▓▓▓▓▓▓░░░ 75 % · 1.5 GiB of 2 GiB'],
      ['data', '░░░░░░░░░░ 0 % · 0 B of 1 GiB'],
      ['empty', 'nothing to transfer'],
    ],
  );
});

test('while nothing is transferred the phase shows, with the percentage of the host', () => {
  const run = running(1);
  const { model, find } = made([{ ...run, progress: { ...run.progress, phase: 'checkpoint', jobPercent: 35 } }]);
  assert.equal(model.row(find(`run/${run.id}`)).description, 'creating checkpoint · 35 %');
});

test('what a screen reader says has no bar and changes every ten percent only', () => {
  const { known, model, find } = made([running(1)]);
  const spoken = (): string | undefined => model.row(find(`run/${running(1).id}`)).accessibility;
  assert.equal(spoken(), 'hv01/sql01 → main, backup, running, transferring, 50 percent');
  known.runs = ready([running(1, 1.6 * gib)], noon);
  assert.equal(spoken(), 'hv01/sql01 → main, backup, running, transferring, 50 percent');
});

test('runs are grouped: active, queued, failed, today, earlier; empty groups do not show', () => {
  const { model } = made([
    running(9),
    sampleRun(8, 'queued'),
    ended(7, 'failed', 1),
    ended(6, 'succeeded', 2),
    ended(5, 'cancelled', 3),
    ended(4, 'interrupted', 30),
    ended(3, 'succeeded', 30),
  ]);
  const groups = model.children(undefined);
  assert.deepEqual(
    groups.map((group) => [model.row(group).label, ...labels(model, group)]),
    [
      ['Active', 'hv01/sql01 → main'],
      ['Queued', 'run 8'],
      ['Failed', 'run 7', 'run 4'],
      ['Today', 'run 6', 'run 5'],
      ['Earlier', 'run 3'],
    ],
  );
  assert.deepEqual(labels(made([running(1)]).model), ['Active']);
});

test('a failed run has its reason and what to do as a child, and in its tooltip', () => {
  const error = { code: 'TM4010', message: 'The repository is full.\nDetails.', hint: 'Free some space.' };
  const { model, find } = made([{ ...ended(1, 'failed', 1), error }]);
  const node = find(`run/${sampleRun(1, 'failed').id}`);
  const [reason] = model.children(node);
  assert.ok(reason !== undefined);
  assert.equal(model.row(reason).label, 'The repository is full.');
  assert.equal(model.row(reason).description, 'Free some space.');
  assert.equal(model.row(reason).accessibility, 'Error: The repository is full. Free some space.');
  assert.equal(model.row(node).icon?.name, 'error');
  assert.equal(model.row(node).description, '1 h ago · verification · failed');
  assert.equal(model.row(node).context, 'tidemark.run+failed+ended+verify');
  assert.match(model.tooltip(node) ?? '', /The repository is full/);
});

test('a backup that succeeded shows what it cost; with warnings it is told from one without', () => {
  const outcome = { kind: 'backup', restorePoint: pointOf(4, 1, 1) } as const;
  const good = { ...ended(1, 'succeeded', 1), outcome };
  const { known, model, find } = made([good]);
  const row = (): ReturnType<RunsModel['row']> => model.row(find(`run/${good.id}`));
  assert.equal(row().description, '1 h ago · full · 2 GiB read, 512 MiB stored · application-consistent · 0.0 s');
  assert.equal(row().icon?.name, 'pass');
  known.runs = ready([{ ...good, warnings: ['VSS did not answer.'] }], noon);
  assert.equal(row().icon?.name, 'warning');
  assert.match(row().accessibility ?? '', /succeeded with warnings/);
  assert.deepEqual(labels(model, find(`run/${good.id}`)), ['VSS did not answer.']);
});

test('a verification that found damage shows each problem', () => {
  const problems = [{ what: 'packs/ab', error: { code: 'TM4003', message: 'A chunk is damaged.' }, restorePoints: [] }];
  const outcome = { kind: 'verify', restorePoints: 3, blobs: 9, readBytes: 0, problems } as const;
  const { model, find } = made([{ ...ended(1, 'succeeded', 1), outcome }]);
  const node = find(`run/${sampleRun(1, 'succeeded').id}`);
  assert.equal(model.row(node).icon?.name, 'warning');
  assert.deepEqual(labels(model, node), ['packs/ab']);
});

test('a tick of one run refreshes the line of that run alone', () => {
  const { known, model } = made([running(2), running(1)]);
  const tree = new ShownTree(model);
  for (const group of tree.children(undefined)) {
    tree.row(group);
    for (const run of tree.children(group)) tree.row(run);
  }
  known.runs = ready([running(2, 1.6 * gib), running(1)], noon);
  assert.deepEqual(
    tree.changed().map((node) => node?.id),
    [`run/${running(2).id}`],
  );
});

test('the badge counts failures that nobody has seen', () => {
  const { model } = made([ended(3, 'failed', 1), ended(2, 'interrupted', 5), ended(1, 'cancelled', 2)]);
  assert.equal(model.unseenFailures('').length, 2);
  assert.equal(model.unseenFailures(hoursAgo(3)).length, 1);
  assert.equal(model.unseenFailures(hoursAgo(1)).length, 0);
});

test('a filter finds runs by title, kind, state and reason, and says how many', () => {
  const error = { code: 'TM4010', message: 'The repository is full.' };
  const { model } = made([running(3), { ...ended(2, 'failed', 1), error }, ended(1, 'succeeded', 1)]);
  model.filter = 'full';
  assert.deepEqual(labels(model), ['Failed']);
  assert.deepEqual(model.head(), { message: 'Showing 1 of 3 runs.', description: '“full”' });
  model.filter = 'backup running';
  assert.deepEqual(labels(model), ['Active']);
});

test('more runs than a page come a page at a time', () => {
  const { model, find } = made(Array.from({ length: 130 }, (_, n) => ended(n, 'succeeded', 1)));
  assert.equal(model.children(find('group/today')).length, 101);
  model.limits.grow('group/today');
  assert.equal(model.children(find('group/today')).length, 130);
});

test('a run keeps its id from the queue to its end', () => {
  const { known, model } = made([sampleRun(1, 'queued')]);
  const id = `run/${sampleRun(1, 'queued').id}`;
  for (const run of [running(1), ended(1, 'failed', 0)]) {
    known.runs = ready([run], noon);
    assert.equal(allNodes(model).filter((node) => node.id === id).length, 1);
  }
});

test('without a daemon the runs stay, marked with their time', () => {
  const { known, model } = made([running(1)]);
  known.connected = false;
  assert.equal(model.head().message, 'Not connected to the daemon. Showing runs as of 12:00.');
  known.connected = true;
  known.runs = loading(unread([]));
  assert.deepEqual(labels(model), ['Reading runs…']);
});

/** The run of a policy over three VMs. */
function policyRun(n: number, state: 'running' | 'succeeded' | 'failed', vms: readonly PolicyRunVm[] = []): RunInfo {
  const request = { kind: 'policy', policy: 'nightly', trigger: 'schedule' } as const;
  const base = state === 'running' ? sampleRun(n, 'running') : ended(n, state, 1);
  const outcome = { kind: 'policy', policy: 'nightly', version: 1, vms } as const;
  return { ...base, request, title: 'Policy nightly', ...(vms.length === 0 ? {} : { outcome }) };
}

const partOf = (parent: RunInfo, n: number, title: string, state: 'succeeded' | 'failed' = 'succeeded'): RunInfo => ({
  ...ended(n, state, 1),
  parent: parent.id,
  title,
});

const ranVm = (n: number, vm: string, more: Partial<PolicyRunVm>): PolicyRunVm => ({
  host: 'hv01',
  vmId: vmIdOf(n),
  vm,
  result: 'succeeded',
  attempts: 1,
  warnings: [],
  readBytes: 0,
  storedBytes: 0,
  durationMs: 0,
  ...more,
});

test('the runs of a policy are below the run of the policy, and nowhere else', () => {
  const whole = policyRun(1, 'running');
  const { model, find } = made([partOf(whole, 3, 'sql02'), partOf(whole, 2, 'sql01'), whole]);
  const groups = model.children(undefined);
  assert.deepEqual(
    groups.map((group) => [model.row(group).label, ...labels(model, group)]),
    [['Active', 'Policy nightly']],
  );
  assert.deepEqual(labels(model, find(`run/${whole.id}`)), ['sql01', 'sql02'], 'the first one first');
});

test('a run whose whole is not known is shown by itself', () => {
  const whole = policyRun(1, 'running');
  const { model } = made([partOf(whole, 2, 'sql01')]);
  assert.deepEqual(
    model.children(undefined).map((group) => labels(model, group)),
    [['sql01']],
  );
});

test('VMs of a policy whose runs are not known are told from its outcome: left out, with the reason', () => {
  const known = partOf(policyRun(1, 'running'), 2, 'sql01');
  const whole = policyRun(1, 'failed', [
    ranVm(1, 'sql01', { run: known.id }),
    ranVm(2, 'sql02', { result: 'skipped', reason: 'It was in another run.' }),
    ranVm(3, 'sql03', {
      result: 'failed',
      run: sampleRun(9, 'failed').id,
      error: { code: 'TM2001', message: 'Away.' },
    }),
  ]);
  const { model, find } = made([known, whole]);
  const nodes = model.children(find(`run/${whole.id}`));
  assert.deepEqual(
    nodes.map((node) => [model.row(node).label, model.row(node).icon?.name]),
    [
      ['sql01', 'pass'],
      ['sql02', 'debug-step-over'],
      ['sql03', 'error'],
    ],
  );
  const [, skipped, failed] = nodes.map((node) => model.row(node));
  assert.equal(skipped?.description, 'left out · hv01 · It was in another run.');
  assert.equal(skipped?.command, undefined);
  assert.deepEqual(failed?.command?.target, { runId: sampleRun(9, 'failed').id });
});

test('a run of a policy that left a VM out is told from one that is well', () => {
  const row = (vms: readonly PolicyRunVm[]) => {
    const whole = policyRun(1, 'succeeded', vms);
    const { model, find } = made([whole]);
    return model.row(find(`run/${whole.id}`));
  };
  assert.equal(row([ranVm(1, 'sql01', {})]).icon?.name, 'pass');
  assert.match(row([ranVm(1, 'sql01', {})]).description ?? '', /1 of 1 VMs backed up/);
  assert.equal(row([ranVm(1, 'sql01', { result: 'skipped' })]).icon?.name, 'warning');
});

test('a run of a policy that failed counts once, however many of its VMs did', () => {
  const whole = policyRun(1, 'failed');
  const { model, find } = made([partOf(whole, 3, 'sql02', 'failed'), partOf(whole, 2, 'sql01', 'failed'), whole]);
  assert.equal(model.unseenFailures('').length, 1);
  // Its title says what it is.
  assert.match(model.row(find(`run/${whole.id}`)).description ?? '', /ago · failed$/);
});

test('a filter finds the run of a policy by the VMs in it', () => {
  const whole = policyRun(1, 'running');
  const { model } = made([partOf(whole, 2, 'sql01'), whole]);
  model.filter = 'sql01';
  assert.deepEqual(
    model.children(undefined).map((group) => labels(model, group)),
    [['Policy nightly']],
  );
  model.filter = 'web01';
  assert.deepEqual(model.children(undefined), []);
});

test('a policy of thousands of VMs is shown a page at a time', () => {
  const whole = policyRun(
    1,
    'succeeded',
    Array.from({ length: 3000 }, (_, n) => ranVm(n + 1, `vm${n}`, {})),
  );
  const { model, find } = made([whole]);
  const nodes = model.children(find(`run/${whole.id}`));
  assert.equal(nodes.length, 101);
  assert.equal(nodes.at(-1)?.kind, 'more');
});
