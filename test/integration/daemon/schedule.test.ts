import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { PolicyRequest, RunInfo, RunOutcome } from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { cliFile, DaemonFixture, ended, eventually, runReaches } from '../support/daemon-fixture.ts';

const daemonFile = fileURLToPath(new URL('../support/clocked-daemon.ts', import.meta.url));
const agentPassword = 'agent-password-1';

/** Tomorrow: the hosts' own clocks say when restore points were made, and the daemon's must not be behind them. */
const day = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
const at = (time: string): string => `${day}T${time}:00.000Z`;

interface Agent {
  readonly process: ChildProcess;
  readonly url: string;
}

/** A daemon whose clock the test moves, and simulated hosts with their agents, all real processes. */
class ScheduleSite implements AsyncDisposable {
  readonly fixture = new DaemonFixture();
  readonly #agents = new Map<string, Agent>();
  #daemon: ChildProcess | undefined;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture[Symbol.asyncDispose]();
  }

  /** Starts the daemon at `time`. */
  async start(time: string): Promise<DaemonClient> {
    this.#daemon = this.fixture.keep(
      fork(daemonFile, [this.fixture.data, time], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
    );
    const [said] = await Promise.race([once(this.#daemon, 'message'), ended(this.#daemon).then((why) => [why])]);
    assert.equal(said, 'ready');
    return this.fixture.connect();
  }

  async kill(): Promise<void> {
    const daemon = this.#daemon;
    assert(daemon);
    daemon.kill('SIGKILL');
    if (daemon.signalCode === null) await once(daemon, 'exit');
    await this.fixture.disconnect();
  }

  /** Lets time pass until the daemon's clock shows `time`. */
  async passUntil(time: string): Promise<void> {
    assert(this.#daemon);
    const there = once(this.#daemon, 'message');
    this.#daemon.send(time);
    const said: unknown = await there;
    assert.deepEqual(String(said), `${time},`);
  }

  /** A host whose VMs have one disk with data. */
  async addHost(client: DaemonClient, name: string, ...vms: string[]): Promise<void> {
    const root = this.#root(name);
    await this.#sim('init', root, '--name', name);
    for (const [index, vm] of vms.entries()) {
      await this.#sim('create-vm', root, vm, '--disk', 'os=8MiB');
      await this.#sim('load', root, vm, 'os', '--percent', '100', '--seed', String(index));
    }
    await this.startAgent(name);
    const { url } = this.#agent(name);
    await client.request(protocol.addHost, { name, url, password: agentPassword, threads: 1, replace: false });
  }

  /** Starts the agent of a host, at the address that it had before. */
  async startAgent(name: string): Promise<void> {
    const file = join(this.fixture.directory, 'agent-password');
    writeFileSync(file, `${agentPassword}\n`, { mode: 0o600 });
    const listen = this.#agents.get(name)?.url ?? 'http://127.0.0.1:0';
    const args = ['agent', '--provider', 'simulated', '--root', this.#root(name), '--listen', listen];
    const agent = this.fixture.keep(
      spawn(process.execPath, [cliFile, ...args, '--password-file', file], { stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    let said = '';
    agent.stdout?.on('data', (data) => (said += String(data)));
    const url = await eventually('the agent listens', () => /listening on (\S+)/.exec(said)?.[1]);
    this.#agents.set(name, { process: agent, url });
  }

  async killAgent(name: string): Promise<void> {
    const agent = this.#agent(name).process;
    agent.kill('SIGKILL');
    if (agent.signalCode === null) await once(agent, 'exit');
  }

  async initRepository(client: DaemonClient): Promise<void> {
    const location = join(this.fixture.directory, 'repository');
    await client.request(protocol.initRepository, {
      name: 'main',
      location,
      password: 'repository-password-1',
      attach: false,
    });
  }

  #agent(name: string): Agent {
    const agent = this.#agents.get(name);
    assert(agent, `${name} has an agent`);
    return agent;
  }

  #root(name: string): string {
    return join(this.fixture.directory, name);
  }

  async #sim(...args: string[]): Promise<void> {
    const child = spawn(process.execPath, [cliFile, 'sim', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    assert.equal(await ended(child), '0');
  }
}

async function apply(client: DaemonClient, more: string): Promise<void> {
  const text = `name: hourly\nrepository: main\nselect:\n  - host: hv*\n    vms: ['*']\nconsistency: crash\nschedule:\n  - cron: "0 * * * *"\n${more}`;
  await client.request(protocol.applyPolicy, { text, by: 'test' });
}

async function policyRuns(client: DaemonClient): Promise<readonly RunInfo[]> {
  const { runs } = await client.request(protocol.listRuns, { limit: 1000 });
  return runs.filter(({ request }) => request.kind === 'policy').toReversed();
}

async function childrenOf(client: DaemonClient, parent: RunInfo): Promise<readonly RunInfo[]> {
  const { runs } = await client.request(protocol.listRuns, { limit: 1000 });
  return runs.filter((run) => run.parent === parent.id).toReversed();
}

/** The only active run of a policy. */
async function activePolicyRun(client: DaemonClient): Promise<RunInfo> {
  return eventually('a run of the policy is active', async () =>
    (await policyRuns(client)).find(({ state }) => state === 'running'),
  );
}

function requestOf(run: RunInfo | undefined): PolicyRequest {
  assert(run?.request.kind === 'policy');
  return run.request;
}

function vmsOf(run: RunInfo): Extract<RunOutcome, { readonly kind: 'policy' }>['vms'] {
  assert(run.outcome?.kind === 'policy', run.error?.message);
  return run.outcome.vms;
}

describe('policies of a daemon', { timeout: 180_000 }, () => {
  it('tells clients when a pause ends by itself', async () => {
    await using site = new ScheduleSite();
    const client = await site.start(at('12:10'));
    await site.initRepository(client);
    await site.addHost(client, 'hv01', 'sql01');
    await apply(client, 'window: { from: "03:00", to: "04:00" }\n');
    await client.request(protocol.pausePolicy, { name: 'hourly', by: 'test', until: at('12:30') });
    let told = 0;
    client.onNotification(protocol.inventoryDidChange, ({ policies }) => (told += policies === true ? 1 : 0));
    await client.request(protocol.subscribeInventory, {});
    await site.passUntil(at('12:29'));
    assert.equal((await client.request(protocol.listPolicies, {})).policies[0]?.paused?.until, at('12:30'));
    const before = told;
    await site.passUntil(at('12:30'));
    await eventually('clients are told', () => (told > before ? true : undefined));
    assert.equal((await client.request(protocol.listPolicies, {})).policies[0]?.paused, undefined);
  });

  it('runs by schedule, and tries a host again that was away', async () => {
    await using site = new ScheduleSite();
    const client = await site.start(at('12:10'));
    await site.initRepository(client);
    await site.addHost(client, 'hv01', 'sql01', 'web01');
    await site.addHost(client, 'hv02', 'dc01');
    await apply(client, 'retry: { attempts: 2, delay: 10m }\nretention: { keepLast: 1 }\nverify: after-backup\n');
    const { policies } = await client.request(protocol.listPolicies, {});
    assert.deepEqual(policies[0]?.nextRun, { at: at('13:00'), type: 'incremental' });
    await client.request(protocol.listVms, {});
    await site.killAgent('hv02');

    await site.passUntil(at('13:00'));
    const active = await activePolicyRun(client);
    await eventually('the first attempt of dc01 failed, the others succeeded', async () => {
      const states = (await childrenOf(client, active)).map(({ state }) => state).toSorted();
      return states.join() === 'failed,succeeded,succeeded' ? states : undefined;
    });
    await site.startAgent('hv02');
    await eventually('the run waits for its second attempt', async () => {
      const { lines } = await client.request(protocol.getRunLog, { id: active.id, fromLine: 0 });
      return lines.find(({ text }) => text.includes('attempt 1 failed'));
    });
    await site.passUntil(at('13:10'));
    const run = await runReaches(client, active.id, 'succeeded', 'failed');
    assert.equal(run.state, 'succeeded', run.error?.message);
    assert.equal(requestOf(run).trigger, 'schedule');
    assert.deepEqual(
      vmsOf(run).map(({ host, vm, result, attempts }) => [host, vm, result, attempts]),
      [
        ['hv01', 'sql01', 'succeeded', 1],
        ['hv01', 'web01', 'succeeded', 1],
        ['hv02', 'dc01', 'succeeded', 2],
      ],
    );
    assert(run.outcome?.kind === 'policy');
    assert.deepEqual(run.outcome.retention, { removed: [], kept: 3 });
    assert.deepEqual([run.outcome.verification?.restorePoints, run.outcome.verification?.problems], [3, 0]);

    await site.passUntil(at('14:00'));
    const second = await runReaches(client, (await activePolicyRun(client)).id, 'succeeded', 'failed');
    assert(second.outcome?.kind === 'policy', second.error?.message);
    assert.deepEqual(
      new Set(second.outcome.retention?.removed),
      new Set(vmsOf(run).map(({ restorePoint }) => restorePoint)),
      'the rules keep one of each VM, and that is the new one',
    );
    const { restorePoints } = await client.request(protocol.listRestorePoints, {});
    assert.deepEqual(
      restorePoints.map(({ policy, type }) => [policy, type]),
      Array.from({ length: 3 }, () => ['hourly', 'incremental']),
    );
  });

  it('ends soon when it is cancelled, and says what became of each VM', async () => {
    await using site = new ScheduleSite();
    const client = await site.start(at('12:10'));
    await site.initRepository(client);
    await site.addHost(client, 'hv01', 'sql01', 'web01', 'web02');
    await apply(client, 'export: { bandwidth: 64KiB/s }\n');
    await site.passUntil(at('13:00'));
    const active = await activePolicyRun(client);
    await eventually('two of the three are being read', async () => {
      const children = await childrenOf(client, active);
      return children.filter(({ progress }) => progress.doneBytes > 0).length === 2 ? children : undefined;
    });
    await client.request(protocol.cancelRun, { id: active.id });
    const run = await runReaches(client, active.id, 'cancelled');
    assert.deepEqual(
      vmsOf(run).map(({ vm, result }) => [vm, result]),
      ['sql01', 'web01', 'web02'].map((vm) => [vm, 'cancelled']),
    );
    const children = await childrenOf(client, run);
    assert.ok(children.every(({ state }) => state === 'cancelled'));
    const last = Math.max(...children.map(({ finishedAt = '' }) => Date.parse(finishedAt)));
    assert.ok(Date.parse(run.finishedAt ?? '') - last < 1000, 'within a second of its backups');
    assert.deepEqual((await client.request(protocol.listRestorePoints, {})).restorePoints, []);
    const files = readdirSync(join(site.fixture.directory, 'repository'), { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      files.filter((file) => file.endsWith('.tmp')),
      [],
      'workers that waited for their turn have tidied up too',
    );
  });

  it('catches up after a daemon that was killed in the middle of a run', async () => {
    await using site = new ScheduleSite();
    let client = await site.start(at('12:10'));
    await site.initRepository(client);
    await site.addHost(client, 'hv01', 'sql01');
    await apply(client, 'export: { bandwidth: 4MiB/s }\n');
    await site.passUntil(at('13:00'));
    const active = await activePolicyRun(client);
    await eventually('it is being read', async () =>
      (await childrenOf(client, active)).find(({ progress }) => progress.phase === 'transfer'),
    );
    await site.kill();

    client = await site.start(at('15:30'));
    const [killed, caughtUp] = await eventually('a second run', async () => {
      const runs = await policyRuns(client);
      return runs.length === 2 ? runs : undefined;
    });
    assert.equal(killed?.state, 'interrupted');
    assert.equal(killed.error?.code, errorCodes.runInterrupted);
    const { trigger, scheduledFor, missed } = requestOf(caughtUp);
    assert.deepEqual([trigger, scheduledFor], ['missed', at('15:00')]);
    assert.deepEqual(missed, [at('13:00'), at('14:00')]);
    assert(caughtUp);
    const run = await runReaches(client, caughtUp.id, 'succeeded', 'failed');
    assert.equal(run.state, 'succeeded', run.error?.message);
    assert.equal((await policyRuns(client)).length, 2, 'once');
    await site.passUntil(at('16:00'));
    const next = await activePolicyRun(client);
    assert.equal(requestOf(next).trigger, 'schedule');
    await runReaches(client, next.id, 'succeeded');
  });

  it('keep their daemon while one of them has a schedule', async () => {
    await using idle = new DaemonFixture();
    await using needed = new DaemonFixture();
    const launch = async (fixture: DaemonFixture): Promise<[ChildProcess, DaemonClient]> => {
      const child = fixture.keep(
        spawn(process.execPath, fixture.args(), {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { ...process.env, TIDEMARK_TEST_IDLE_MS: '400' },
        }),
      );
      return [child, await eventually('the daemon is up', () => fixture.prepare().catch(() => undefined))];
    };
    const [neededDaemon, client] = await launch(needed);
    const text =
      'name: hourly\nrepository: main\nselect: [{ host: hv01, vms: [sql01] }]\nschedule: [{ cron: "0 0 1 1 *" }]\n';
    await client.request(protocol.applyPolicy, { text, by: 'test' });
    await needed.disconnect();
    const [idleDaemon] = await launch(idle);
    await idle.disconnect();
    assert.equal(await ended(idleDaemon), '0');
    assert.equal(neededDaemon.exitCode, null, 'it was idle for longer');
    const again = await needed.connect();
    await again.request(protocol.pausePolicy, { name: 'hourly', by: 'test' });
    await needed.disconnect();
    assert.equal(await ended(neededDaemon), '0', 'nothing starts by itself any more');
  });
});
