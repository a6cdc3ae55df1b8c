import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DaemonConnection } from '../../../client/daemon/connection.ts';
import type { ConnectAttempt, Connected } from '../../../client/daemon/connector.ts';
import type { ConnectionState } from '../../../client/daemon/state.ts';
import * as daemon from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { Answers, FakeClient } from './support/fake-daemon.ts';
import { sampleRun, settle, until } from './support/samples.ts';

const away = new TidemarkError(errorCodes.daemonNotRunning, 'away');

/** A connection whose attempts the test answers one after the other; the last answer stays. */
function connection(answers: readonly (Connected | TidemarkError | 'never')[], options: { autoStart?: boolean } = {}) {
  const attempts: ConnectAttempt[] = [];
  const states: ConnectionState['kind'][] = [];
  const made = new DaemonConnection({
    connector: () => ({
      canStart: true,
      connect: async (attempt) => {
        attempts.push(attempt);
        const answer = answers[Math.min(attempts.length, answers.length) - 1] ?? away;
        if (answer === 'never') return new Promise(() => undefined);
        await settle();
        if (answer instanceof TidemarkError) throw answer;
        return answer;
      },
      gone: async () => Promise.resolve(),
    }),
    autoStart: () => options.autoStart ?? true,
    log: () => undefined,
    backoff: () => 1,
    shortLifeMs: 10_000,
  });
  made.onDidChangeState(({ kind }) => states.push(kind));
  return { made, attempts, states };
}

const client = (instance = 'one'): FakeClient =>
  new FakeClient(
    new Answers().on(daemon.listHosts, () => ({ hosts: [] })).on(daemon.stopDaemon, () => ({})).map,
    instance,
  );

test('nothing is connected before somebody needs it, and then everybody shares one attempt', async () => {
  const one = client();
  const { made, attempts, states } = connection([{ client: one }]);
  assert.equal(attempts.length, 0);
  const both = await Promise.all([made.client(), made.client(), made.request(daemon.listHosts, {})]);
  assert.equal(both[0], one);
  assert.equal(both[1], one);
  assert.equal(attempts.length, 1);
  assert.equal(attempts[0]?.mayStart, true);
  assert.deepEqual(states, ['starting', 'connected']);
  made.dispose();
});

test('a lost connection comes again by itself, and listeners hear the next one', async () => {
  const [first, second] = [client('one'), client('two')];
  const { made, states } = connection([{ client: first }, away, { client: second }]);
  const heard: string[] = [];
  const connected: string[] = [];
  made.onNotification(daemon.runDidChange, ({ run }) => heard.push(run.title));
  made.onDidConnect(({ instance }) => connected.push(instance));
  await made.client();
  first.send(daemon.runDidChange, { run: sampleRun(1, 'running') });
  first.lose();
  first.send(daemon.runDidChange, { run: sampleRun(2, 'running') });
  await until(() => made.state.kind === 'connected');
  second.send(daemon.runDidChange, { run: sampleRun(3, 'running') });
  assert.deepEqual(heard, ['run 1', 'run 3']);
  assert.deepEqual(connected, ['one', 'two']);
  assert.deepEqual(states, ['starting', 'connected', 'reconnecting', 'reconnecting', 'connected']);
  made.dispose();
});

test('a daemon that keeps ending right after its start is given up, until the user starts it', async () => {
  const clients = ['one', 'two', 'three', 'four'].map(client);
  const { made } = connection(clients.map((each) => ({ client: each })));
  await made.client();
  for (const [index, each] of clients.slice(0, 3).entries()) {
    each.lose();
    if (index < 2) await until(() => made.state.kind === 'connected');
  }
  assert.equal(made.state.kind, 'failed');
  await assert.rejects(made.request(daemon.listHosts, {}), (error) =>
    TidemarkError.is(error, errorCodes.daemonStartFailed),
  );
  await made.start();
  assert.equal((await made.client()).instance, 'four');
  made.dispose();
});

test('an error that no retry helps against is kept; background work does not try again, a command does', async () => {
  const refused = new TidemarkError(errorCodes.daemonStartFailed, 'no Node');
  const { made, attempts } = connection([refused, { client: client() }]);
  await assert.rejects(made.client(), refused);
  assert.equal(made.state.kind, 'failed');
  await assert.rejects(made.request(daemon.listHosts, {}), refused);
  assert.equal(attempts.length, 1);
  await made.client();
  assert.equal(attempts.length, 2);
  made.dispose();
});

test('after a stop on purpose nothing starts the daemon, but one that another window starts is joined', async () => {
  const [first, second] = [client('one'), client('two')];
  const { made, attempts } = connection([{ client: first }, away, { client: second }]);
  await made.client();
  first.send(daemon.daemonWillStop, { reason: 'requested' });
  first.lose();
  assert.deepEqual(made.state, { kind: 'disconnected', reason: 'stopped' });
  await assert.rejects(made.request(daemon.listHosts, {}), (error) =>
    TidemarkError.is(error, errorCodes.daemonNotRunning),
  );
  await until(() => made.state.kind === 'connected');
  assert.deepEqual(
    attempts.map(({ mayStart, mayAsk }) => [mayStart, mayAsk]),
    [
      [true, true],
      [false, false],
      [false, false],
    ],
  );
  made.dispose();
});

test('stop asks the daemon and ends in "stopped"; start does not wait for the attempts that only look for one', async () => {
  const [first, second] = [client('one'), client('two')];
  const { made, attempts } = connection([{ client: first }, 'never', { client: second }]);
  await made.client();
  await made.stop(false);
  assert.ok(first.asked.includes(daemon.stopDaemon.method));
  assert.deepEqual(made.state, { kind: 'disconnected', reason: 'stopped' });
  await until(() => attempts.length === 2);
  await made.start();
  assert.equal((await made.client()).instance, 'two');
  made.dispose();
});

test('without permission to start, a daemon that does not run is no failure', async () => {
  const { made } = connection([away], { autoStart: false });
  await assert.rejects(made.client(), away);
  assert.deepEqual(made.state, { kind: 'disconnected', reason: 'stopped' });
  made.dispose();
});

test('a request has a deadline and can be given up, also while nothing is connected', async () => {
  const { made } = connection(['never']);
  await assert.rejects(made.request(daemon.listHosts, {}, { timeoutMs: 5 }), (error) =>
    TidemarkError.is(error, errorCodes.requestTimeout),
  );
  const abort = new AbortController();
  const waiting = made.client(abort.signal);
  abort.abort();
  await assert.rejects(waiting, (error) => TidemarkError.is(error, errorCodes.cancelled));
  made.dispose();
});

test('changed settings end the connection without stopping the daemon; an attempt under way comes to nothing', async () => {
  const one = client();
  const { made } = connection([{ client: one }]);
  const waiting = made.client();
  await made.disconnect();
  await assert.rejects(waiting);
  await settle();
  assert.ok(one.closed.aborted);
  assert.ok(!one.asked.includes(daemon.stopDaemon.method));
  assert.deepEqual(made.state, { kind: 'disconnected', reason: 'not-used' });
  made.dispose();
});

test('a user who gives up at the password hears nothing more, and the views say how to connect', async () => {
  const { made } = connection([new TidemarkError(errorCodes.cancelled, 'escape')]);
  await assert.rejects(made.client(), (error) => TidemarkError.is(error, errorCodes.cancelled));
  const { state } = made;
  assert.ok(state.kind === 'failed');
  assert.equal(state.error.code, errorCodes.daemonAuthenticationFailed);
  made.dispose();
});

test('listeners that ask for a client whenever the state changes share one attempt', async () => {
  const { made, attempts } = connection([{ client: client() }]);
  made.onDidChangeState(() => void made.client().catch(() => undefined));
  await made.start();
  await settle();
  assert.equal(attempts.length, 1);
  made.dispose();
});
