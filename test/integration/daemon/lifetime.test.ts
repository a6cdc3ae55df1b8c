import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { connectDaemon } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { DaemonFixture, ended, eventually, runReaches, startBackup } from '../support/daemon-fixture.ts';
import { fakeVmId, readWorld, writeWorld } from '../support/fake-parts.ts';

describe('the life of a daemon', () => {
  it('calls a run interrupted after kill -9, and cleans host and disk of what it left', async () => {
    await using fixture = new DaemonFixture();
    const first = await fixture.start();
    const client = await fixture.prepare();
    writeWorld(fixture.directory, {
      checkpoints: [
        { id: 'cp-other', vmId: fakeVmId, owner: 'f'.repeat(32) },
        { id: 'cp-stranger', vmId: fakeVmId },
      ],
      referencePoints: [{ id: 'rp-other', vmId: fakeVmId, owner: 'f'.repeat(32) }],
      restorePoints: [],
    });
    const { id } = await startBackup(client, 'crash');
    const partial = join(fixture.directory, 'restored.partial');
    await eventually('the run has left its traces', () =>
      existsSync(partial) && readWorld(fixture.directory).checkpoints.length === 3 ? true : undefined,
    );
    first.kill('SIGKILL');
    await once(first, 'exit');

    await fixture.start();
    const again = await fixture.connect();
    const { run } = await again.request(protocol.getRun, { id });
    assert.deepEqual([run.state, run.error?.code], ['interrupted', errorCodes.runInterrupted]);
    assert.match(run.error?.message ?? '', /transfer/);
    assert.equal(existsSync(partial), false);
    await eventually('the host is clean', () =>
      readWorld(fixture.directory).checkpoints.length === 2 ? true : undefined,
    );
    const world = await eventually('reference points are dealt with', () => {
      const now = readWorld(fixture.directory);
      return now.referencePoints.length === 1 ? now : undefined;
    });
    assert.deepEqual(
      world.checkpoints.map((one) => one.id),
      ['cp-other', 'cp-stranger'],
      'others keep theirs',
    );
    assert.deepEqual(
      world.referencePoints.map((one) => one.id),
      ['rp-other'],
    );
    const next = await startBackup(again, 'quick');
    await runReaches(again, next.id, 'succeeded');
  });

  it('keeps reference points while a restore point cannot be read', async () => {
    await using fixture = new DaemonFixture();
    const first = await fixture.start();
    const client = await fixture.prepare();
    await startBackup(client, 'crash');
    await eventually('the run has left its traces', () => readWorld(fixture.directory).referencePoints[0]);
    first.kill('SIGKILL');
    await once(first, 'exit');
    writeWorld(fixture.directory, { ...readWorld(fixture.directory), unreadable: true });
    await fixture.start();
    await eventually('the checkpoint goes', () =>
      readWorld(fixture.directory).checkpoints.length === 0 ? true : undefined,
    );
    assert.equal(readWorld(fixture.directory).referencePoints.length, 1);
  });

  it('serves a data directory once when it is started five times at once', async () => {
    await using fixture = new DaemonFixture();
    const start = { command: process.execPath, args: fixture.args() };
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => connectDaemon({ dataDirectory: fixture.data, client: 'test', start })),
    );
    try {
      assert.equal(new Set(clients.map((client) => client.instance)).size, 1);
    } finally {
      await clients[0]?.request(protocol.stopDaemon, { cancelRuns: true });
      await Promise.all(clients.map((client) => client.close()));
    }
  });

  it('refuses to serve a data directory that is served already, and says so', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    assert.match(await ended(fixture.launch()), /^1 Another daemon serves .* already\.$/);
    const client = await fixture.connect();
    await client.request(protocol.getDaemonStatus, {});
  });

  it('stops only when asked twice while a run is active, cancels it, and leaves nothing in its folder', async () => {
    await using fixture = new DaemonFixture();
    const daemon = await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'in-transfer');
    await assert.rejects(client.request(protocol.stopDaemon, { cancelRuns: false }), { code: errorCodes.daemonBusy });
    await client.request(protocol.stopDaemon, { cancelRuns: true });
    await assert.rejects(startBackup(client, 'quick'), (error: { code?: string }) =>
      [errorCodes.runInterrupted, errorCodes.daemonNotRunning].some((code) => code === error.code),
    );
    assert.equal(await ended(daemon), '0');
    assert.deepEqual(readdirSync(join(fixture.data, 'run')), ['daemon.lock']);
    await fixture.start();
    const { run } = await (await fixture.connect()).request(protocol.getRun, { id });
    assert.equal(run.state, 'interrupted');
  });

  it('cancels what is active and ends with success on SIGTERM', async () => {
    await using fixture = new DaemonFixture();
    const daemon = await fixture.start();
    const client = await fixture.prepare();
    await startBackup(client, 'in-transfer');
    daemon.kill('SIGTERM');
    assert.equal(await ended(daemon), '0');
    assert.equal(client.closed.aborted, true);
  });

  it('serves a data directory whose path is too long for a socket', async () => {
    const long = join('d'.repeat(60), 'e'.repeat(60));
    await using fixture = new DaemonFixture(long);
    mkdirSync(fixture.data, { recursive: true });
    const daemon = await fixture.start();
    const client = await fixture.connect();
    assert.equal((await client.request(protocol.getDaemonStatus, {})).dataDirectory, fixture.data);
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    await fixture.start();
    await fixture.connect();
  });

  it('remembers hosts, repositories, runs and their logs when it starts again', async () => {
    await using fixture = new DaemonFixture();
    const daemon = await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'chatty', 'key-1');
    const before = await runReaches(client, id, 'succeeded');
    daemon.kill('SIGTERM');
    await ended(daemon);
    await fixture.start();
    const again = await fixture.connect();
    const { runs } = await again.request(protocol.listRuns, { limit: 10 });
    assert.deepEqual(runs, [before]);
    assert.equal((await startBackup(again, 'chatty', 'key-1')).id, id, 'the key is still known');
    assert.equal((await again.request(protocol.listHosts, {})).hosts[0]?.name, 'hv01');
    assert.equal((await again.request(protocol.listRepositories, {})).repositories[0]?.name, 'main');
    const lines: string[] = [];
    for (let fromLine = 0; ;) {
      const page = await again.request(protocol.getRunLog, { id, fromLine });
      if (page.lines.length === 0) break;
      assert(page.lines.length <= 2000);
      lines.push(...page.lines.map((line) => line.text));
      fromLine = page.nextLine;
    }
    const said = lines.filter((text) => text.startsWith('line '));
    assert.deepEqual(
      said,
      Array.from({ length: 5000 }, (_, line) => `line ${line}`),
    );
  });
});
