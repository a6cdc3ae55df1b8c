import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { DaemonConnection } from '../../../client/daemon/connection.ts';
import { LocalConnector } from '../../../client/daemon/local-connector.ts';
import { writeRendezvous } from '../../../server/base/rendezvous.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { DaemonFixture, eventually, runReaches, startBackup } from '../support/daemon-fixture.ts';

/** The daemon of the fixture calls itself 0.0.0-test. */
const sameVersion = '0.0.0';
const newerVersion = '0.1.0';

/** A window: what it started is counted. */
function openWindow(fixture: DaemonFixture, version = sameVersion) {
  let started = 0;
  const connector = new LocalConnector({
    dataDirectory: fixture.data,
    version,
    prepare: async ({ onStep }) => {
      onStep('installing');
      return Promise.resolve({ command: process.execPath, args: fixture.args() });
    },
    onStarted: () => (started += 1),
  });
  const connection = new DaemonConnection({
    connector: () => connector,
    autoStart: () => true,
    log: () => undefined,
    backoff: () => 20,
  });
  return { connection, started: () => started, [Symbol.dispose]: () => connection.dispose() };
}

/** Ends the daemon that a window started, as the command of the editor does. */
async function endDaemon({ connection }: ReturnType<typeof openWindow>): Promise<void> {
  await connection.start();
  await connection.stop(true);
}

describe('windows and their daemon', () => {
  it('starts one daemon for windows that open at once, and it outlives them', async () => {
    await using fixture = new DaemonFixture();
    const windows = [openWindow(fixture), openWindow(fixture), openWindow(fixture)];
    const clients = await Promise.all(windows.map(async ({ connection }) => connection.client()));
    assert.equal(new Set(clients.map(({ instance }) => instance)).size, 1);
    for (const window of windows) window[Symbol.dispose]();
    using later = openWindow(fixture);
    assert.equal((await later.connection.client()).instance, clients[0]?.instance);
    assert.equal(later.started(), 0);
    await endDaemon(later);
  });

  it('connects again after the daemon is killed, and finds the run interrupted', async () => {
    await using fixture = new DaemonFixture();
    using window = openWindow(fixture);
    const { connection } = window;
    await connection.client();
    const own = await fixture.prepare();
    const { id } = await startBackup(own, 'in-transfer');
    const { pid } = await connection.request(protocol.getDaemonStatus, {});
    const states: string[] = [];
    connection.onDidChangeState(({ kind }) => states.push(kind));
    process.kill(pid, 'SIGKILL');
    await eventually('it is connected again', () => (states.includes('connected') ? true : undefined));
    assert.equal(states[0], 'reconnecting');
    assert.ok(!states.includes('failed'));
    const { run } = await connection.request(protocol.getRun, { id });
    assert.equal(run.state, 'interrupted');
    await endDaemon(window);
  });

  it('replaces an idle daemon that is older, also for the windows that used it', async () => {
    await using fixture = new DaemonFixture();
    using older = openWindow(fixture);
    const before = await older.connection.client();
    using newer = openWindow(fixture, newerVersion);
    const after = await newer.connection.client();
    assert.notEqual(after.instance, before.instance);
    assert.equal(newer.started(), 1);
    await eventually('the older window joins', () =>
      older.connection.state.kind === 'connected' && older.connection.state.instance === after.instance
        ? true
        : undefined,
    );
    assert.equal(older.started(), 1);
    await endDaemon(newer);
  });

  it('keeps an older daemon that is busy, and says so', async () => {
    await using fixture = new DaemonFixture();
    using older = openWindow(fixture);
    const before = await older.connection.client();
    const own = await fixture.prepare();
    const { id } = await startBackup(own, 'in-transfer');
    using newer = openWindow(fixture, newerVersion);
    assert.equal((await newer.connection.client()).instance, before.instance);
    const { state } = newer.connection;
    assert.ok(state.kind === 'connected');
    assert.deepEqual(state.note, { kind: 'older-daemon', daemonVersion: '0.0.0-test', activeRuns: 1 });
    await runReaches(own, id, 'running');
    await endDaemon(newer);
  });

  it('says why a daemon cannot start, and starts it when the cause is gone', async () => {
    await using fixture = new DaemonFixture();
    let broken = true;
    const connector = new LocalConnector({
      dataDirectory: fixture.data,
      version: sameVersion,
      prepare: async () =>
        Promise.resolve({
          command: process.execPath,
          args: broken ? ['-e', 'console.error("no room"); process.exit(3)'] : fixture.args(),
        }),
      onStarted: () => undefined,
    });
    const connection = new DaemonConnection({
      connector: () => connector,
      autoStart: () => true,
      log: () => undefined,
    });
    await assert.rejects(connection.client(), (error) => {
      assert.ok(TidemarkError.is(error, errorCodes.daemonStartFailed));
      assert.match(error.message, /no room/);
      return true;
    });
    assert.equal(connection.state.kind, 'failed');
    broken = false;
    await connection.start();
    await connection.stop(true);
    assert.deepEqual(connection.state, { kind: 'disconnected', reason: 'stopped' });
    connection.dispose();
  });

  it('takes a daemon that closes while a window connects for one that ends, and starts the next one', async () => {
    await using fixture = new DaemonFixture();
    const ending = createServer((socket) => socket.end());
    ending.listen(join(fixture.directory, 's'));
    await once(ending, 'listening');
    const protocols = { min: 1, max: 1 };
    await writeRendezvous(
      fixture.data,
      {
        format: 1,
        instance: 'ending',
        pid: 1,
        startedAt: '2026-01-31T02:00:00Z',
        address: join(fixture.directory, 's'),
        protocol: protocols,
        version: '0.0.0-test',
        logFile: 'none',
      },
      Buffer.alloc(32, 1),
    );
    using window = openWindow(fixture);
    assert.notEqual((await window.connection.client()).instance, 'ending');
    ending.close();
    await endDaemon(window);
  });

  it('never kills a daemon of another protocol, and says which side to update', async () => {
    await using fixture = new DaemonFixture();
    const child = await fixture.start({ min: 7, max: 8 });
    using window = openWindow(fixture, '0.0.0');
    await assert.rejects(window.connection.client(), (error) => {
      assert.ok(TidemarkError.is(error, errorCodes.daemonVersionMismatch));
      assert.match(error.message, /too old/);
      return true;
    });
    assert.equal(window.connection.state.kind, 'failed');
    assert.equal(window.started(), 0);
    assert.equal(child.exitCode, null);
  });
});
