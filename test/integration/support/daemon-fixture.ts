/** A data directory with a fake world beside it, and real daemon processes that serve it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { connectDaemon } from '../../../server/connect/index.ts';
import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { BackupRequest, RunInfo } from '../../../server/protocol/daemon.ts';
import { emptyWorld, writeWorld } from './fake-parts.ts';
import { Lifeline } from './lifeline.ts';

/** The entry of the command line, run without a build. */
export const cliFile = fileURLToPath(new URL('../../../server/cli/main.ts', import.meta.url));
const childFile = fileURLToPath(new URL('./daemon-child.ts', import.meta.url));

/** How long a test waits for something before it fails, ms. */
const patienceMs = 15_000;

/** A directory for one test. Disposing it ends what still runs, whoever started it, and removes it. */
export class DaemonFixture implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'tidemark-daemon-'));
  readonly data: string;
  readonly #children = new Set<ChildProcess>();
  readonly #clients = new Set<DaemonClient>();
  readonly #lifeline: Lifeline;

  /** `data` is the name of the data directory in the directory of the test. */
  constructor(data = 'data') {
    this.data = join(this.directory, data);
    mkdirSync(this.directory, { recursive: true });
    writeWorld(this.directory, emptyWorld);
    this.#lifeline = new Lifeline(this.directory);
  }

  /** The arguments of a daemon process. */
  args(range?: { readonly min: number; readonly max: number }): string[] {
    const more = range === undefined ? [] : [String(range.min), String(range.max)];
    return [childFile, this.data, this.directory, ...more];
  }

  /** Starts a daemon and waits until clients can connect; it must come up. */
  async start(range?: { readonly min: number; readonly max: number }): Promise<ChildProcess> {
    const child = this.launch(range);
    assert(child.stdout);
    const first = await Promise.race([once(child.stdout, 'data').then(String), ended(child)]);
    assert.equal(first, 'ready\n', 'the daemon comes up');
    return child;
  }

  /** Starts a daemon process and waits for nothing. */
  launch(range?: { readonly min: number; readonly max: number }): ChildProcess {
    return this.keep(spawn(process.execPath, this.args(range), { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Kills the process with the fixture, if it still runs then. */
  keep(child: ChildProcess): ChildProcess {
    this.#children.add(child);
    return child;
  }

  /** A connected client. */
  async connect(range?: { readonly min: number; readonly max: number }): Promise<DaemonClient> {
    const client = await connectDaemon({ dataDirectory: this.data, client: 'test', protocol: range });
    this.#clients.add(client);
    return client;
  }

  /** A client of a daemon that knows host `hv01` and repository `main`. */
  async prepare(): Promise<DaemonClient> {
    const client = await this.connect();
    await client.request(protocol.addHost, {
      name: 'hv01',
      url: 'http://fake:1',
      password: 'agent-password-1',
      threads: 2,
      replace: true,
    });
    await client.request(protocol.initRepository, {
      name: 'main',
      location: join(this.directory, 'repository'),
      password: 'repository-password-1',
      attach: false,
    });
    return client;
  }

  /** Ends the connections of all clients. */
  async disconnect(): Promise<void> {
    for (const client of this.#clients) await client.close();
    this.#clients.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    for (const child of this.#children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await this.#lifeline.cut();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** How a process ended: its exit code or the signal, and what it said on stderr. */
export async function ended(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr?.on('data', (chunk) => (said += String(chunk)));
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return `${child.signalCode ?? child.exitCode} ${said}`.trim();
}

/** A backup of the fake VM whose name says what happens (fake-parts.ts). */
export function backupOf(vm: string, more: Partial<BackupRequest> = {}): BackupRequest {
  return {
    kind: 'backup',
    host: 'hv01',
    vm,
    repository: 'main',
    type: 'full',
    consistency: 'crash',
    excludeDisks: [],
    ...more,
  };
}

/** Starts a backup of the fake VM. */
export async function startBackup(client: DaemonClient, vm: string, key?: string): Promise<RunInfo> {
  const { run } = await client.request(protocol.startRun, { request: backupOf(vm), key });
  return run;
}

/** Asks until `find` gives something; fails when it does not in time. */
export async function eventually<T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    assert(performance.now() < deadline, `${what}, in time`);
    await sleep(20);
  }
}

/** The run when it has reached one of these states. */
export async function runReaches(
  client: DaemonClient,
  id: RunInfo['id'],
  ...states: RunInfo['state'][]
): Promise<RunInfo> {
  return eventually(`run ${id} becomes ${states.join(' or ')}`, async () => {
    const { run } = await client.request(protocol.getRun, { id });
    return states.includes(run.state) ? run : undefined;
  });
}
