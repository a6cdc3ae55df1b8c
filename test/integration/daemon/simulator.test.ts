import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { backupOf, cliFile, DaemonFixture, eventually, runReaches } from '../support/daemon-fixture.ts';

async function startDaemon(fixture: DaemonFixture): Promise<{ daemon: ChildProcess; client: DaemonClient }> {
  const args = [cliFile, 'daemon', 'run', '--quiet', '--data', fixture.data];
  const daemon = fixture.keep(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] }));
  const client = await eventually('the daemon is up', () => fixture.connect().catch(() => undefined));
  return { daemon, client };
}

const simulated = { host: 'simulated', repository: 'demo', consistency: 'application-or-crash' } as const;

async function backUp(client: DaemonClient, type: 'full' | 'incremental'): Promise<RunInfo> {
  const { run } = await client.request(protocol.startRun, { request: backupOf('shop', { ...simulated, type }) });
  const ended = await runReaches(client, run.id, 'succeeded', 'failed');
  assert.equal(ended.state, 'succeeded', ended.error?.message);
  return ended;
}

/** Waits until the agent runs at another address than before. */
async function runsElsewhere(client: DaemonClient, before: string): Promise<string> {
  return eventually('the agent runs again', async () => {
    const { state } = await client.request(protocol.getSimulatorStatus, {});
    const { hosts } = await client.request(protocol.listHosts, {});
    const url = hosts[0]?.url;
    return state === 'running' && url !== undefined && url !== before ? url : undefined;
  });
}

/** Process ids of agents that serve the host of the fixture; only where /proc tells. */
function agentsOf(fixture: DaemonFixture): number[] {
  const root = join(fixture.data, 'simulator', 'host');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(root);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('the simulator of a daemon', { timeout: 120_000 }, () => {
  it('is there after one request, works as a host does, and is gone after another, but not from under a run', async () => {
    await using fixture = new DaemonFixture();
    const { client } = await startDaemon(fixture);
    assert.deepEqual(await client.request(protocol.getSimulatorStatus, {}), { state: 'absent' });
    await assert.rejects(client.request(protocol.simulatorGuestWrite, {}), { code: errorCodes.hostNotFound });

    const first = await client.request(protocol.startSimulator, {});
    assert.deepEqual([first.created, first.host.name, first.repository.name], [true, 'simulated', 'demo']);
    assert.deepEqual(
      first.vms.map((vm) => [vm.name, vm.state, vm.rctBlockers.length]),
      [
        ['archive', 'off', 0],
        ['legacy', 'running', 1],
        ['shop', 'running', 0],
      ],
    );
    const second = await client.request(protocol.startSimulator, {});
    assert.deepEqual([second.created, second.host.url], [false, first.host.url]);

    await backUp(client, 'full');
    const written = await client.request(protocol.simulatorGuestWrite, {});
    assert.equal(written.vmName, 'shop');
    const { outcome } = await backUp(client, 'incremental');
    assert.ok(outcome?.kind === 'backup');
    const [disk] = outcome.restorePoint.disks;
    assert.equal(disk?.kind.type, 'incremental');
    assert.ok((disk?.stats.readBytes ?? 0) > 0, 'the guest gave it something to do');
    await assert.rejects(client.request(protocol.simulatorGuestWrite, { vm: '--help' }), {
      code: errorCodes.vmNotFound,
    });
    await assert.rejects(client.request(protocol.simulatorGuestWrite, { vm: 'archive' }), {
      code: errorCodes.vmWrongState,
    });

    const { run } = await client.request(protocol.startRun, {
      request: backupOf('shop', { ...simulated, type: 'full' }),
    });
    await assert.rejects(client.request(protocol.stopSimulator, { cancelRuns: false }), {
      code: errorCodes.daemonBusy,
    });
    await client.request(protocol.stopSimulator, { cancelRuns: true });
    assert.equal((await client.request(protocol.getRun, { id: run.id })).run.state, 'cancelled');
    assert.ok(!existsSync(join(fixture.data, 'simulator')));
    assert.deepEqual((await client.request(protocol.listHosts, {})).hosts, []);
    assert.deepEqual((await client.request(protocol.listRepositories, {})).repositories, []);
    assert.doesNotMatch(readFileSync(join(fixture.data, 'secrets.json'), 'utf8'), /simulated|demo/);
  });

  it('has its agent back when that is killed and when the daemon starts again, and leaves none behind', async () => {
    await using fixture = new DaemonFixture();
    const { daemon, client } = await startDaemon(fixture);
    const { host } = await client.request(protocol.startSimulator, {});
    if (process.platform !== 'linux') return;
    const [agent] = agentsOf(fixture);
    assert.ok(agent !== undefined);
    process.kill(agent, 'SIGKILL');
    const url = await runsElsewhere(client, host.url);

    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    await eventually('the agent ends with its daemon', () => (agentsOf(fixture).length === 0 ? true : undefined));
    const { client: again } = await startDaemon(fixture);
    await runsElsewhere(again, url);
    const { vms } = await again.request(protocol.listVms, { host: 'simulated' });
    assert.equal(vms.length, 3);
    await again.request(protocol.stopSimulator, { cancelRuns: false });
    assert.deepEqual(agentsOf(fixture), []);
  });

  it('takes no host and no repository of others for its own', async () => {
    await using fixture = new DaemonFixture();
    const { client } = await startDaemon(fixture);
    await client.request(protocol.initRepository, {
      name: 'demo',
      location: join(fixture.directory, 'mine'),
      password: 'repository-password',
      attach: false,
    });
    await assert.rejects(client.request(protocol.startSimulator, {}), { code: errorCodes.repositoryNameTaken });
    await client.request(protocol.stopSimulator, { cancelRuns: false });
    assert.ok(existsSync(join(fixture.directory, 'mine')), 'and removes none');
    assert.equal((await client.request(protocol.listRepositories, {})).repositories.length, 1);
  });
});
