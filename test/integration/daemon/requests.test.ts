import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import * as protocol from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { restorePointId, runId } from '../../../server/protocol/ids.ts';
import { backupOf, DaemonFixture, runReaches, startBackup } from '../support/daemon-fixture.ts';

const nowhere = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

describe('requests to a daemon', () => {
  it('agrees on the highest protocol that both speak', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start({ min: 2, max: 5 });
    assert.equal((await fixture.connect({ min: 1, max: 3 })).protocol, 3);
    assert.equal((await fixture.connect({ min: 5, max: 9 })).protocol, 5);
  });

  it('refuses an older and a newer client with what to do, and serves the next one', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start({ min: 2, max: 3 });
    const mismatch = { code: errorCodes.daemonVersionMismatch };
    await assert.rejects(fixture.connect({ min: 1, max: 1 }), { ...mismatch, hint: /Update this program/ });
    await assert.rejects(fixture.connect({ min: 4, max: 4 }), { ...mismatch, hint: /stop the daemon/ });
    await fixture.connect({ min: 2, max: 2 });
  });

  it('names what it does not know by stable codes, and queues nothing for it', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const start = async (request: protocol.RunRequest): Promise<unknown> =>
      client.request(protocol.startRun, { request });
    await assert.rejects(start(backupOf('a', { host: 'nowhere' })), { code: errorCodes.hostNotFound });
    await assert.rejects(start(backupOf('a', { repository: 'none' })), { code: errorCodes.repositoryUnknown });
    assert.deepEqual((await client.request(protocol.listRuns, { limit: 10 })).runs, []);
    const id = restorePointId(nowhere, '');
    const notFound = { code: errorCodes.restorePointNotFound };
    await assert.rejects(client.request(protocol.getRestorePoint, { id }), notFound);
    await assert.rejects(client.request(protocol.deleteRestorePoint, { id, repository: 'main' }), notFound);
    await assert.rejects(client.request(protocol.getRun, { id: runId(nowhere, '') }), { code: errorCodes.runNotFound });
    await assert.rejects(client.request(protocol.cancelRun, { id: runId(nowhere, '') }), {
      code: errorCodes.runNotFound,
    });
    await assert.rejects(client.request(protocol.testHost, { name: 'nowhere' }), { code: errorCodes.hostNotFound });
    await assert.rejects(client.request(protocol.listVms, { host: 'nowhere' }), { code: errorCodes.hostNotFound });
    await assert.rejects(client.request(protocol.getRepositoryStatus, { name: 'none' }), {
      code: errorCodes.repositoryUnknown,
    });
  });

  it('backs a VM up in one run at a time', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const first = await startBackup(client, 'in-transfer');
    await assert.rejects(startBackup(client, 'IN-TRANSFER'), { code: errorCodes.vmAlreadyRunning });
    await client.request(protocol.cancelRun, { id: first.id });
    await runReaches(client, first.id, 'cancelled');
    await startBackup(client, 'in-transfer');
  });

  it('cancels a run in every phase', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const phases = ['connecting', 'checkpoint', 'extents', 'transfer', 'sealing', 'reference-point', 'committing'];
    for (const phase of phases) {
      const { id } = await startBackup(client, `in-${phase}`);
      const running = await runReaches(client, id, 'running');
      assert.equal(running.progress.phase, phase);
      await client.request(protocol.cancelRun, { id });
      const end = await runReaches(client, id, 'cancelled');
      assert.equal(end.error?.code, errorCodes.cancelled);
    }
  });

  it('shows a host that cannot be reached, and refuses to add one', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const away = { name: 'hv02', url: 'http://away:1', password: 'agent-password-1', threads: 2, replace: false };
    await assert.rejects(client.request(protocol.addHost, away), { code: errorCodes.hostUnreachable });
    const { hosts } = await client.request(protocol.listHosts, {});
    assert.deepEqual(
      hosts.map((host) => [host.name, host.status.state]),
      [['hv01', 'reachable']],
    );
  });

  it('writes no password to its database, its log, or a run, whatever hosts and repositories say', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'leaking');
    const run = await runReaches(client, id, 'failed');
    const { lines } = await client.request(protocol.getRunLog, { id, fromLine: 0 });
    const shown = [JSON.stringify(run), JSON.stringify(lines)];
    for (const name of readdirSync(fixture.data, { recursive: true }).map(String)) {
      const path = join(fixture.data, name);
      if (name !== 'secrets.json' && statSync(path).isFile()) shown.push(`${name}: ${readFileSync(path, 'latin1')}`);
    }
    for (const text of shown) assert.doesNotMatch(text, /-password-1/, text.slice(0, 40));
    assert.match(readFileSync(join(fixture.data, 'secrets.json'), 'utf8'), /agent-password-1/);
  });
});
