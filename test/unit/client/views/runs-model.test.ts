import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { RunInfo } from '../../../../server/protocol/daemon.ts';
import { loading, ready, unread } from '../../../../client/stores/cached.ts';
import type { Cached } from '../../../../client/stores/cached.ts';
import { RunsModel } from '../../../../client/views/runs/runs-model.ts';
import type { RunsNode } from '../../../../client/views/runs/runs-nodes.ts';
import { ShownTree } from '../../../../client/views/tree/shown-tree.ts';
import { sampleRun } from '../support/samples.ts';
import { allNodes, gib, hoursAgo, labels, noon, pointOf } from './support/world.ts';

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
