import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { InventoryChange } from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { DaemonFixture, ended, eventually, runReaches, startBackup } from '../support/daemon-fixture.ts';
import { emptyWorld, fakeVmId, writeWorld } from '../support/fake-parts.ts';

/** Everything the client is told of the inventory. */
async function watch(client: DaemonClient): Promise<InventoryChange[]> {
  const seen: InventoryChange[] = [];
  client.onNotification(protocol.inventoryDidChange, (change) => seen.push(change));
  await client.request(protocol.subscribeInventory, {});
  return seen;
}

const heard = async (seen: InventoryChange[], what: (change: InventoryChange) => boolean): Promise<InventoryChange> =>
  eventually('the client is told', () => seen.find(what));

const host = { name: 'hv02', url: 'http://fake:2', threads: 2, replace: false };

describe('what the editor asks of a daemon', { timeout: 60_000 }, () => {
  it('is told by name what changed of hosts, VMs, repositories and restore points', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.connect();
    await client.request(protocol.addHost, {
      ...host,
      name: 'hv01',
      url: 'http://fake:1',
      password: 'agent-password-1',
    });
    const seen = await watch(await fixture.connect());
    await heard(seen, ({ vmsOf }) => vmsOf.includes('hv01'));

    seen.length = 0;
    await client.request(protocol.addHost, { ...host, password: 'agent-password-2' });
    const added = await heard(seen, ({ hosts }) => hosts);
    await heard(seen, ({ vmsOf }) => vmsOf.includes('hv02'));
    await client.request(protocol.initRepository, {
      name: 'main',
      location: join(fixture.directory, 'repository'),
      password: 'repository-password-1',
      attach: false,
    });
    const made = await heard(seen, ({ repositories }) => repositories);
    assert.ok(made.sequence > added.sequence);

    await client.request(protocol.listRestorePoints, { repository: 'main', limit: 10 });
    const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
    writeWorld(fixture.directory, { ...emptyWorld, restorePoints: [{ id, vmId: fakeVmId, vmName: 'sql01' }] });
    const { id: run } = await startBackup(client, 'quick');
    await runReaches(client, run, 'succeeded');
    await heard(seen, ({ restorePointsOf }) => restorePointsOf.includes('main'));
    const { vms } = await client.request(protocol.listVms, { host: 'hv01', wait: false });
    assert.equal(vms[0]?.backups?.restorePoints, 1);
    assert.equal(vms[0].backups.last.type, 'full');
  });

  it('changes of a host only what is given, after a test, and takes its password from where it is said to be', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const file = join(fixture.directory, 'agent-password');
    writeFileSync(file, 'agent-password-1\n');
    const { host: edited } = await client.request(protocol.editHost, { name: 'hv01', threads: 5, passwordFile: file });
    assert.deepEqual([edited.threads, edited.url, edited.passwordSource], [5, 'http://fake:1', 'file']);
    const away = { name: 'hv01', url: 'http://away:1' };
    await assert.rejects(client.request(protocol.editHost, away), { code: errorCodes.hostUnreachable });
    const missing = { name: 'hv01', passwordFile: join(fixture.directory, 'missing') };
    await assert.rejects(client.request(protocol.editHost, missing), { code: errorCodes.invalidFile });
    await assert.rejects(client.request(protocol.editHost, { name: 'nobody' }), { code: errorCodes.hostNotFound });
    await assert.rejects(client.request(protocol.addHost, host), { code: errorCodes.invalidInput });
    const both = { ...host, password: 'x', passwordCommand: ['/bin/x'] };
    await assert.rejects(client.request(protocol.addHost, both), { code: errorCodes.invalidInput });
    const { hosts } = await client.request(protocol.listHosts, {});
    assert.deepEqual(
      hosts.map((one) => [one.name, one.threads, one.url]),
      [['hv01', 5, 'http://fake:1']],
    );
  });

  it('follows the log of a run as it grows, to its last line', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'in-transfer');
    const lines: string[] = [];
    let complete = false;
    const following = (async () => {
      for (let fromLine = 0; !complete;) {
        const page = await client.request(protocol.getRunLog, { id, fromLine, waitMs: 30_000 });
        lines.push(...page.lines.map(({ text }) => text));
        fromLine = page.nextLine;
        complete = page.complete ?? false;
      }
    })();
    await eventually('the first lines come', () => lines.find((text) => text.includes('Backing up')));
    assert.equal(complete, false, 'it waits for more');
    await client.request(protocol.cancelRun, { id });
    await following;
    assert.equal(lines.at(-1), 'Ended: cancelled');
    const again = await client.request(protocol.getRunLog, { id, fromLine: 0 });
    assert.deepEqual(
      again.lines.map(({ text }) => text),
      lines,
    );
  });

  it('waits for a line no longer than it was told to', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'in-transfer');
    await runReaches(client, id, 'running');
    const all = await eventually('the run has said all', async () => {
      const page = await client.request(protocol.getRunLog, { id, fromLine: 0 });
      return page.lines.some(({ text }) => text === 'Phase: transfer') ? page : undefined;
    });
    const page = await client.request(protocol.getRunLog, { id, fromLine: all.nextLine + 10, waitMs: 50 });
    assert.deepEqual([page.lines, page.complete], [[], false]);
  });

  it('draws the whole chart of a run also later, and after the daemon started again', async () => {
    await using fixture = new DaemonFixture();
    const daemon = await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'storm');
    await runReaches(client, id, 'succeeded');
    const { samples } = await client.request(protocol.getRunSamples, { id });
    assert.ok(samples.length >= 3);
    assert.deepEqual([samples[0]?.doneBytes, samples.at(-1)?.doneBytes], [0, 10_000_000]);
    daemon.kill('SIGKILL');
    await ended(daemon);
    await fixture.start();
    const later = await fixture.connect();
    assert.deepEqual(await later.request(protocol.getRunSamples, { id }), { samples });
  });

  it('finds in a failed run what explains it: code, hint, and the last lines of its log', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'failing');
    const { error } = await runReaches(client, id, 'failed');
    assert.deepEqual(error, {
      code: errorCodes.checkpointFailed,
      message: 'The checkpoint failed.',
      hint: 'Try again.',
    });
    const { lines } = await client.request(protocol.getRunLog, { id, fromLine: 0 });
    assert.deepEqual(
      lines.slice(-2).map(({ level, text }) => [level, text]),
      [
        ['error', 'The checkpoint failed.'],
        ['info', 'Ended: failed'],
      ],
    );
  });

  it('hears that the daemon stops before the runs have cleaned up', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const other = await fixture.connect();
    const reasons: string[] = [];
    other.onNotification(protocol.daemonWillStop, ({ reason }) => reasons.push(reason));
    await client.request(protocol.stopDaemon, { cancelRuns: true });
    await eventually('the connection ends', () => (other.closed.aborted ? true : undefined));
    assert.deepEqual(reasons, ['requested']);
  });

  it('keeps a daemon that ends when idle: with a client or a run it stays, without both it goes', async () => {
    await using fixture = new DaemonFixture();
    const env = { ...process.env, TIDEMARK_TEST_IDLE_MS: '400' };
    const daemon = fixture.keep(spawn(process.execPath, fixture.args(), { env, stdio: ['ignore', 'pipe', 'pipe'] }));
    const exit = ended(daemon);
    await eventually('the daemon is up', () => fixture.connect().catch(() => undefined));
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'in-transfer');
    const wait = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000));
    await wait();
    assert.equal(daemon.exitCode, null, 'a client is there');
    await fixture.disconnect();
    await wait();
    assert.equal(daemon.exitCode, null, 'a run is active');
    const back = await fixture.connect();
    await back.request(protocol.cancelRun, { id });
    await runReaches(back, id, 'cancelled');
    await fixture.disconnect();
    assert.equal(await exit, '0');
  });
});
