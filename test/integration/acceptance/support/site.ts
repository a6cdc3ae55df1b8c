/** A small site for one test: simulated hosts with their agents, a daemon, a repository, all real processes in one folder. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { daemonStatus, runInfo } from '../../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../../server/protocol/errors.ts';
import type { ErrorReport } from '../../../../server/protocol/errors.ts';
import { errorReport, restorePointInfo } from '../../../../server/protocol/model.ts';
import type { RestorePointInfo } from '../../../../server/protocol/model.ts';
import { array, json, object } from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';
import { reportedError, startTidemark, tidemark } from './command.ts';
import { testHost } from './hosts.ts';
import type { TestHost } from './hosts.ts';
import { end, firstMatch } from './processes.ts';

/** How a process of the site is started. */
export interface StartOptions {
  /** Where it kills itself. */
  readonly failpoint?: string;
  /** Files of a certificate and its key: an agent with them listens on https. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** How long jobs of the host take, ms. */
  readonly jobMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

interface Agent {
  readonly process: ChildProcess;
  readonly url: string;
}

/** How long jobs of a host take unless a test says otherwise, ms. */
const shortJobMs = 4;

const anything: Parser<unknown> = (value) => value;

/** The only VM of most tests, and its only disk. */
export const vmName = 'web';
export const diskName = 'os';

/** A site; it goes with its test. */
export class Site {
  readonly directory: string;
  readonly data: string;
  readonly repository: string;
  readonly passwordFile: string;
  readonly #hosts = new Map<string, TestHost>();
  readonly #agents = new Map<string, Agent>();
  #daemon: ChildProcess | undefined;
  readonly #undo: (() => Promise<unknown>)[] = [];
  #counter = 0;

  private constructor(directory: string) {
    this.directory = directory;
    this.data = join(directory, 'data');
    this.repository = join(directory, 'repository');
    this.passwordFile = join(directory, 'password');
  }

  /** An empty site. */
  static async make(t: TestContext): Promise<Site> {
    const site = new Site(await mkdtemp(join(tmpdir(), 'tidemark-acceptance-')));
    await writeFile(site.passwordFile, 'correct horse battery staple\n', { mode: 0o600 });
    t.after(() => site.#remove());
    return site;
  }

  /** A host `hv01` with the VM `web` (one disk `os`), its agent, and a repository `main`. */
  static async withVm(t: TestContext, size = '8MiB'): Promise<Site> {
    const site = await Site.make(t);
    await site.addHost('hv01', ['--disk', `${diskName}=${size}`]);
    await site.initRepository();
    return site;
  }

  root(host: string): string {
    return join(this.directory, host);
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** A name for a new file. */
  newFile(extension: string): string {
    return join(this.directory, `file-${this.#counter++}.${extension}`);
  }

  /** Calls `undo` when the site goes, after its processes have ended and before its folder is removed; the last one first. */
  beforeRemoval(undo: () => Promise<unknown>): void {
    this.#undo.unshift(undo);
  }

  async makeFolder(path: string): Promise<void> {
    await mkdir(path, { recursive: true });
  }

  /** Makes a host, its VM when disks are given, its agent, and makes the daemon know it. */
  async addHost(host: string, disks: readonly string[] = []): Promise<void> {
    await this.run(['sim', 'init', this.root(host), '--name', host]);
    if (disks.length > 0) await this.run(['sim', 'create-vm', this.root(host), vmName, ...disks]);
    await this.startAgent(host);
    await this.connectHost(host);
  }

  async connectHost(host: string): Promise<void> {
    await this.run(['host', 'add', host, this.url(host), '--password-file', this.passwordFile]);
  }

  async initRepository(): Promise<void> {
    await this.run(['repo', 'init', 'main', this.repository, '--password-file', this.passwordFile]);
  }

  url(host: string): string {
    const agent = this.#agents.get(host);
    assert.ok(agent, `the agent of ${host} runs`);
    return agent.url;
  }

  /** Starts the agent of a host; at the same address as before when it ran already. */
  async startAgent(host: string, options: StartOptions = {}): Promise<ChildProcess> {
    const { tls } = options;
    const listen = this.#agents.get(host)?.url ?? `${tls === undefined ? 'http' : 'https'}://127.0.0.1:0`;
    const start = await this.#host(host).agent(options.jobMs ?? shortJobMs);
    const args = ['agent', ...start.args, '--listen', listen];
    if (tls !== undefined) args.push('--tls-cert', tls.cert, '--tls-key', tls.key);
    const all = [...args, '--password-file', this.passwordFile];
    const child = startTidemark(all, environment({ ...options, env: { ...start.env, ...options.env } }));
    const url = await firstMatch(child, /^listening on (\S+)$/m);
    this.#agents.set(host, { process: child, url });
    return child;
  }

  #host(name: string): TestHost {
    const host = this.#hosts.get(name) ?? testHost(this.root(name));
    this.#hosts.set(name, host);
    return host;
  }

  async stopAgent(host: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const agent = this.#agents.get(host);
    if (agent !== undefined) await end(agent.process, signal);
  }

  /** Starts the daemon in this test's hands, and does not wait until it serves; otherwise the first command starts one. */
  launchDaemon(options: StartOptions = {}): ChildProcess {
    assert.ok(this.#daemon === undefined || this.#daemon.exitCode !== null || this.#daemon.signalCode !== null);
    const child = startTidemark(['daemon', 'run', '--data', this.data], environment(options));
    child.stdout?.resume();
    child.stderr?.resume();
    this.#daemon = child;
    return child;
  }

  /** Starts the daemon in this test's hands. */
  async startDaemon(options: StartOptions = {}): Promise<ChildProcess> {
    const child = this.launchDaemon(options);
    for (;;) {
      const status = await tidemark(['daemon', 'status', '--data', this.data, '--json']);
      if (status.code === 0) {
        const { pid } = json(status.stdout, daemonStatus, 'daemon status');
        if (pid === child.pid) return child;
      }
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('The daemon ended while it started.');
    }
  }

  async stopDaemon(): Promise<void> {
    await tidemark(['daemon', 'stop', '--cancel-runs', '--data', this.data]);
    if (this.#daemon !== undefined) await end(this.#daemon, 'SIGTERM');
    this.#daemon = undefined;
  }

  /** Stops the daemon of another data directory, if one runs. */
  async stopDaemonOf(data: string): Promise<void> {
    await tidemark(['daemon', 'stop', '--cancel-runs', '--data', data]);
  }

  /** Runs a command that must succeed and gives its JSON. */
  async run(args: readonly string[]): Promise<unknown> {
    return this.ask(args, anything);
  }

  /** `run` for another daemon: `where` is its `--data DIR`. */
  async runAt(where: readonly string[], args: readonly string[]): Promise<void> {
    const result = await tidemark([...args, '--json', ...where]);
    assert.equal(result.code, 0, `tidemark ${args.join(' ')}: ${result.stderr}`);
  }

  /** Runs a command, whatever comes of it. */
  async tryRun(args: readonly string[]): Promise<void> {
    await tidemark([...args, '--json', '--data', this.data]);
  }

  /** Runs a command that must succeed and parses its JSON. */
  async ask<T>(args: readonly string[], parser: Parser<T>): Promise<T> {
    const result = await tidemark([...args, '--json', '--data', this.data]);
    assert.equal(result.code, 0, `tidemark ${args.join(' ')}: ${result.stderr}`);
    return json(result.stdout, parser, args.join(' '));
  }

  /** Runs a command that must fail with that error: exit code, report on stderr, a hint. */
  async fails(args: readonly string[], name: keyof typeof errorCodes): Promise<ErrorReport> {
    return this.failsAt(['--data', this.data], args, name);
  }

  /** `fails` for another daemon: `where` is its `--data DIR`. */
  async failsAt(
    where: readonly string[],
    args: readonly string[],
    name: keyof typeof errorCodes,
  ): Promise<ErrorReport> {
    const result = await tidemark([...args, '--json', ...where]);
    assert.notEqual(result.code, 0, `tidemark ${args.join(' ')} succeeded`);
    const error = reportedError(result);
    assert.equal(error.code, errorCodes[name], `tidemark ${args.join(' ')}: ${error.message}`);
    return error;
  }

  /** Backs the VM up; the run as it ended, whatever its end. */
  async tryBackup(args: readonly string[] = [], vm = `hv01/${vmName}`): Promise<RunInfo> {
    const all = ['backup', 'run', '--vm', vm, '--repo', 'main', '--wait', ...args];
    const result = await tidemark([...all, '--json', '--data', this.data]);
    const last = result.stdout.trim().split('\n').at(-1) ?? '';
    assert.notEqual(last, '', result.stderr);
    return json(last, runInfo, 'backup run');
  }

  async backUp(args: readonly string[] = []): Promise<RestorePointInfo> {
    const run = await this.tryBackup(args);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.ok(run.outcome?.kind === 'backup');
    return run.outcome.restorePoint;
  }

  /** Restores a disk into a new file and gives its path. */
  async restore(id: string, format: 'vhdx' | 'raw', disk = diskName): Promise<string> {
    const file = this.newFile(format);
    await this.run(['restore', 'disk', id, disk, '--to', file, '--format', format]);
    return file;
  }

  /** The disk as the guest sees it, as a raw file. */
  async guestDisk(host = 'hv01', disk = diskName): Promise<string> {
    const file = this.newFile('raw');
    await this.run(['sim', 'raw', this.root(host), vmName, disk, file]);
    return file;
  }

  /** The guest writes random bytes that nobody wrote before. */
  async guestWrites(percent = 5, host = 'hv01'): Promise<void> {
    await this.run(['sim', 'load', this.root(host), vmName, diskName, '--percent', String(percent)]);
  }

  async restorePoints(): Promise<readonly RestorePointInfo[]> {
    const damaged = array(object({ file: anything, error: errorReport, repository: anything }));
    const list = await this.ask(['restore-point', 'list'], object({ restorePoints: array(restorePointInfo), damaged }));
    assert.deepEqual(list.damaged, []);
    return list.restorePoints;
  }

  async #remove(): Promise<void> {
    try {
      await this.stopDaemon();
    } finally {
      // Whatever failed: a process that is left over would keep the test from ending.
      for (const host of this.#agents.keys()) await this.stopAgent(host, 'SIGKILL');
      for (const host of this.#hosts.values()) await host.stop();
      for (const undo of this.#undo) await undo();
      await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

function environment(options: StartOptions): Record<string, string> {
  return { TIDEMARK_FAILPOINT: options.failpoint ?? '', ...options.env };
}
