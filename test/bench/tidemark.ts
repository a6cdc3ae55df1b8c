/** Tidemark as a user runs it: the built CLI, a real agent and a real daemon over loopback. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { guestWrite } from '../../server/agent/simulated/index.ts';
import { changedRegions, RegionFiller } from './image.ts';
import { folderBytes, measure, pidOf } from './measure.ts';
import type { Cost } from './measure.ts';
import type { ToolResult } from './peers.ts';

const cli = join(dirname(fileURLToPath(import.meta.url)), '../../bin/tidemark.mjs');

/** A simulated host with one VM, an agent that serves it, a daemon that knows it, a repository. */
export class TidemarkBench implements AsyncDisposable {
  readonly #folder: string;
  readonly #data: string;
  readonly #agent: ChildProcess;
  readonly #wrapper: readonly string[];
  #daemons: readonly number[] = [];

  private constructor(folder: string, agent: ChildProcess, wrapper: readonly string[]) {
    this.#folder = folder;
    this.#data = `${folder}/data`;
    this.#agent = agent;
    this.#wrapper = wrapper;
  }

  /** Sets everything up; `disk` is a VHDX file that becomes the VM's disk. `wrapper` is a command that all processes are started by. */
  static async start(folder: string, disk: string, wrapper: readonly string[] = []): Promise<TidemarkBench> {
    await mkdir(folder, { recursive: true });
    const password = `${folder}/password`;
    await writeFile(password, 'bench\n', { mode: 0o600 });
    const root = `${folder}/host`;
    await measure(process.execPath, [cli, 'sim', 'init', root]);
    await measure(process.execPath, [cli, 'sim', 'create-vm', root, 'vm', '--import-disk', `disk=${disk}`]);
    const agentArgs = ['agent', '--provider', 'simulated', '--root', root, '--listen', 'http://127.0.0.1:0'];
    const [command, ...before] = [...wrapper, process.execPath];
    const agent = spawn(command, [...before, cli, ...agentArgs, '--password-file', password], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const url = await new Promise<string>((resolve, reject) => {
      agent.once('exit', () => reject(new Error('the agent ended')));
      let text = '';
      agent.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        const match = /listening on (\S+)/.exec(text);
        if (match?.[1] !== undefined) resolve(match[1]);
      });
    });
    const bench = new TidemarkBench(folder, agent, wrapper);
    await bench.#run('host', 'add', 'bench', url, '--password-file', password);
    await bench.#run('repo', 'init', 'main', `${folder}/repository`, '--password-file', password);
    const status = await bench.#run('daemon', 'status', '--json');
    const pid = Number(/"pid":\s*(\d+)/.exec(status.stdout)?.[1]);
    bench.#daemons = [pid, agent.pid ?? (await pidOf('tidemark agent'))];
    return bench;
  }

  /** Full, changes, incremental; with `whole` also restore and verify. */
  async run(sizeBytes: number, changes: number, seed: string, whole: boolean): Promise<ToolResult> {
    const full = await this.#backup('full');
    const filler = new RegionFiller(`${seed}/changed`);
    for (const region of changedRegions(sizeBytes, changes, seed)) {
      const source = filler.bytes(region.kind, region.length);
      await guestWrite(`${this.#folder}/host`, 'vm', 'disk', {
        offset: region.offset,
        from: source,
        signal: AbortSignal.timeout(60_000),
      });
    }
    const incremental = await this.#backup('incremental');
    const result = { tool: 'Tidemark', version: 'this checkout', full, incremental };
    if (!whole) return result;
    const target = `${this.#folder}/restored.raw`;
    const restore = await this.#run('restore', 'disk', incremental.id, 'disk', '--to', target, '--format', 'raw');
    const verify = await this.#run('repo', 'verify', 'main', '--read-data');
    return { ...result, restore, verify };
  }

  /** A first full backup. */
  async full(): Promise<Cost> {
    return this.#backup('full');
  }

  /** The raw file that `run` restored. */
  get restored(): string {
    return `${this.#folder}/restored.raw`;
  }

  async #backup(
    type: 'full' | 'incremental',
  ): Promise<Cost & { readonly stored: number; readonly id: string; readonly readBytes: number }> {
    const before = await folderBytes(`${this.#folder}/repository`);
    const cost = await this.#run(
      'backup',
      'run',
      '--vm',
      'bench/vm',
      '--repo',
      'main',
      '--type',
      type,
      '--wait',
      '--json',
    );
    const last: unknown = JSON.parse(cost.stdout.trim().split('\n').at(-1) ?? '{}');
    const text = JSON.stringify(last);
    const id = /"restorePoint":\{"id":"([0-9A-Z]{26})"/.exec(text)?.[1];
    if (id === undefined) throw new Error(`no restore point in: ${text}`);
    const readBytes = Number(/"readBytes":(\d+)/.exec(text)?.[1] ?? 0);
    return { ...cost, stored: (await folderBytes(`${this.#folder}/repository`)) - before, id, readBytes };
  }

  async #run(...args: readonly string[]): Promise<Cost & { readonly stdout: string }> {
    const [command, ...before] = [...this.#wrapper, process.execPath];
    return measure(command, [...before, cli, '--data', this.#data, ...args], { daemons: this.#daemons });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run('daemon', 'stop').catch(() => undefined);
    this.#agent.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
