import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RunStore } from '../../../client/stores/run-store.ts';
import type { RunChange } from '../../../client/stores/run-store.ts';
import * as daemon from '../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { Answers, FakeClient } from './support/fake-daemon.ts';
import { FakeLink } from './support/fake-link.ts';
import { sampleRun, settle, until } from './support/samples.ts';

/** A store on a daemon that has `runs`. */
function made(runs: () => readonly RunInfo[], recent = 100) {
  const link = new FakeLink();
  const store = new RunStore(link, { recentCount: () => recent, coalesceMs: 20 });
  const changes: RunChange[] = [];
  const ends: RunInfo[] = [];
  store.onDidChange((change) => changes.push(change));
  store.onDidEnd((run) => ends.push(run));
  const answers = new Answers()
    .on(daemon.subscribeRuns, () => ({ runs: runs().filter(({ state }) => state === 'running') }))
    .on(daemon.listRuns, ({ limit }) => ({ runs: runs().slice(0, limit) }));
  return { link, store, changes, ends, answers };
}

const states = (store: RunStore): readonly (readonly [string, string])[] =>
  store.runs.value.map(({ title, state }) => [title, state] as const);

test('with a connection the runs come by themselves, newest first', async () => {
  const { link, store, answers } = made(() => [sampleRun(1, 'succeeded'), sampleRun(2, 'running')]);
  link.connect(new FakeClient(answers.map));
  await until(() => store.runs.state === 'ready');
  assert.deepEqual(states(store), [
    ['run 2', 'running'],
    ['run 1', 'succeeded'],
  ]);
  assert.equal(store.active.length, 1);
  store.dispose();
});

test('a hundred updates become few events with the last state, and the order of the list counts as unchanged', async () => {
  const { link, store, changes, answers } = made(() => [sampleRun(1, 'running')]);
  const client = new FakeClient(answers.map);
  link.connect(client);
  await until(() => store.runs.state === 'ready');
  changes.length = 0;
  for (let n = 2; n <= 101; n++) client.send(daemon.runDidChange, { run: sampleRun(1, 'running', n) });
  assert.equal(changes.length, 0);
  await until(() => changes.length > 0);
  assert.equal(changes.length, 1);
  assert.deepEqual([changes[0]?.listChanged, changes[0]?.changed[0]?.sequence], [false, 101]);
  store.dispose();
});

test('the end of a run is told at once and once, and what comes late is dropped', async () => {
  const { link, store, changes, ends, answers } = made(() => [sampleRun(1, 'running', 5)]);
  const client = new FakeClient(answers.map);
  link.connect(client);
  await until(() => store.runs.state === 'ready');
  changes.length = 0;
  client.send(daemon.runDidChange, { run: sampleRun(1, 'succeeded', 7) });
  assert.deepEqual([changes.length, ends.length], [1, 1]);
  client.send(daemon.runDidChange, { run: sampleRun(1, 'running', 6) });
  client.send(daemon.runDidChange, { run: sampleRun(1, 'succeeded', 7) });
  await settle();
  assert.equal(ends.length, 1);
  assert.equal(store.run(sampleRun(1, 'running').id)?.state, 'succeeded');
  store.dispose();
});

test('a daemon that was killed and counts from an older state on is believed', async () => {
  let now = [sampleRun(1, 'running', 50)];
  const { link, store, ends, answers } = made(() => now);
  link.connect(new FakeClient(answers.map, 'one'));
  await until(() => store.runs.state === 'ready');
  link.lose();
  assert.ok(store.runs.stale);
  now = [sampleRun(1, 'interrupted', 3)];
  link.connect(new FakeClient(answers.map, 'two'));
  await until(() => store.runs.state === 'ready' && !store.runs.stale);
  assert.deepEqual(states(store), [['run 1', 'interrupted']]);
  assert.equal(ends.length, 1);
  store.dispose();
});

test('runs of another daemon go when the window turns to one that does not know them', async () => {
  let now = [sampleRun(1, 'running')];
  const { link, store, answers } = made(() => now);
  link.connect(new FakeClient(answers.map, 'one'));
  await until(() => store.runs.state === 'ready');
  link.lose();
  now = [sampleRun(9, 'succeeded')];
  link.connect(new FakeClient(answers.map, 'two'));
  await until(() => store.runs.state === 'ready' && !store.runs.stale);
  assert.deepEqual(states(store), [['run 9', 'succeeded']]);
  store.dispose();
});

test('a start whose answer was lost is asked again with the same key, and belongs to this window', async () => {
  const { link, store, answers } = made(() => []);
  const keys: (string | undefined)[] = [];
  answers.on(daemon.startRun, ({ key }) => {
    keys.push(key);
    if (keys.length === 1) throw new TidemarkError(errorCodes.daemonNotRunning, 'lost');
    return { run: sampleRun(4, 'queued') };
  });
  link.connect(new FakeClient(answers.map));
  const run = await store.start({ kind: 'verify', repository: 'main', readData: false });
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.ok(store.startedHere(run.id));
  assert.ok(!store.startedHere(sampleRun(5, 'queued').id));
  store.dispose();
});

test('ended runs beyond the setting go, active ones never', async () => {
  const { link, store, answers } = made(
    () => [1, 2, 3, 4, 5].map((n) => sampleRun(n, n === 1 ? 'running' : 'succeeded')).toReversed(),
    2,
  );
  link.connect(new FakeClient(answers.map));
  await until(() => store.runs.state === 'ready');
  assert.deepEqual(
    store.runs.value.map(({ title }) => title),
    ['run 5', 'run 4', 'run 1'],
  );
  store.dispose();
});
