/** A simulated host with its agent, as an administrator would set one up, for a window to add. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startTidemark, tidemark } from '../../integration/acceptance/support/command.ts';
import { SlowPath } from './slow-path.ts';

export const labPassword = 'correct horse battery staple';

/** Runs a command of the command line, which must succeed. */
export async function cli(...args: readonly string[]): Promise<string> {
  const result = await tidemark(args);
  assert.equal(result.code, 0, `tidemark ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

export interface LabHostOptions {
  /** An existing folder of the caller's. */
  readonly directory: string;
  readonly name: string;
  /** VMs and the size of the only disk, `os`, of each. */
  readonly vms: Readonly<Record<string, string>>;
}

export class LabHost implements AsyncDisposable {
  readonly name: string;
  /** The host's folder: `tidemark sim … ROOT`. */
  readonly root: string;
  readonly passwordFile: string;
  readonly path: SlowPath;
  /** The address to add: through the path. */
  readonly url: string;
  readonly #agent: ChildProcess;

  private constructor(
    options: LabHostOptions & { readonly root: string; readonly passwordFile: string },
    agent: ChildProcess,
    path: SlowPath,
  ) {
    this.name = options.name;
    this.root = options.root;
    this.passwordFile = options.passwordFile;
    this.#agent = agent;
    this.path = path;
    this.url = `http://127.0.0.1:${path.port}`;
  }

  /** Makes the host and its VMs, lets each guest fill a third of its disk, and starts the agent. */
  static async start(options: LabHostOptions): Promise<LabHost> {
    const root = join(options.directory, `host-${options.name}`);
    const passwordFile = join(options.directory, `${options.name}.password`);
    mkdirSync(options.directory, { recursive: true });
    writeFileSync(passwordFile, `${labPassword}\n`, { mode: 0o600 });
    await cli('sim', 'init', root, '--name', options.name);
    for (const [vm, size] of Object.entries(options.vms)) {
      await cli('sim', 'create-vm', root, vm, '--disk', `os=${size}`);
      await cli('sim', 'load', root, vm, 'os', '--percent', '33', '--seed', '7');
    }
    const listen = ['--listen', 'http://127.0.0.1:0', '--password-file', passwordFile];
    const agent = startTidemark(['agent', '--provider', 'simulated', '--root', root, ...listen]);
    const port = await listeningPort(agent);
    return new LabHost({ ...options, root, passwordFile }, agent, await SlowPath.to(port));
  }

  /** The disk as the guest sees it now, as a raw file. */
  async guestDisk(vm: string, file: string): Promise<string> {
    await cli('sim', 'raw', this.root, vm, 'os', file);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.path[Symbol.asyncDispose]();
    if (this.#agent.exitCode !== null || this.#agent.signalCode !== null) return;
    const ended = once(this.#agent, 'close');
    this.#agent.kill('SIGKILL');
    await ended;
  }
}

async function listeningPort(agent: ChildProcess): Promise<number> {
  let said = '';
  const found = Promise.withResolvers<number>();
  const read = (data: Buffer): void => {
    said += data.toString();
    const port = /^listening on \S+:(\d+)\s*$/m.exec(said)?.[1];
    if (port !== undefined) found.resolve(Number(port));
  };
  agent.stdout?.on('data', read);
  agent.stderr?.on('data', read);
  agent.once('error', found.reject);
  agent.once('close', (code) => found.reject(new Error(`The agent ended with ${code}: ${said}`)));
  return found.promise;
}
