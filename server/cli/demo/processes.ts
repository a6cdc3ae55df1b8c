/** The agent and the daemon of a demo: child processes of the same program. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { connectDaemon } from '../../connect/index.ts';
import type { DaemonClient } from '../../connect/index.ts';
import { stopDaemon } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { CliContext } from '../context.ts';
import { version } from '../version.ts';
import type { DemoFolder } from './folder.ts';

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 20_000;
const pollMs = 50;

/** A child process whose output goes to a log file. It never outlives this process, unless that is killed. */
class Child {
  readonly name: string;
  readonly logFile: string;
  readonly #process: ChildProcess;
  readonly #kill = (): void => void this.#process.kill('SIGKILL');
  #ended: string | undefined;

  private constructor(name: string, logFile: string, child: ChildProcess) {
    this.name = name;
    this.logFile = logFile;
    this.#process = child;
    child.once('error', (error) => (this.#ended ??= error.message));
    child.once('exit', (code, signal) => {
      this.#ended ??= `it ended with ${signal ?? `exit code ${code}`}`;
      process.off('exit', this.#kill);
    });
    process.once('exit', this.#kill);
  }

  static async start(context: CliContext, name: string, logFile: string, args: readonly string[]): Promise<Child> {
    const { command, script } = context.self;
    await using log = await open(logFile, 'a', 0o600);
    const child = spawn(command, [script, ...args], {
      // Away from the terminal's process group: Ctrl-C reaches only the demo, which stops the two in order.
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    return new Child(name, logFile, child);
  }

  /** Waits until `ready` gives something. Throws `TM5004` with the process's last words when it ends first or takes too long. */
  async until<T>(ready: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
    const deadline = Date.now() + readyTimeoutMs;
    for (;;) {
      throwIfAborted(signal);
      const result = await ready();
      if (result !== undefined) return result;
      if (this.#ended !== undefined || Date.now() > deadline) throw await this.#failure();
      await sleep(pollMs);
    }
  }

  async log(): Promise<string> {
    return readFile(this.logFile, 'utf8');
  }

  /** Asks the process to end, with `ask` or SIGTERM, and kills it when it does not. */
  async stop(ask?: () => Promise<void>): Promise<void> {
    const child = this.#process;
    if (this.#ended !== undefined) return;
    const ended = once(child, 'exit');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    if (ask === undefined) child.kill('SIGTERM');
    // A daemon that refuses is asked by signal; one that does not answer at all ends by the timer.
    else ask().catch(() => child.kill('SIGTERM'));
    await ended;
    clearTimeout(timer);
  }

  async #failure(): Promise<TidemarkError> {
    const said = (await this.log()).trim().split('\n').slice(-10).join('\n');
    const why = this.#ended ?? 'it did not answer in time';
    return new TidemarkError(errorCodes.daemonStartFailed, `The ${this.name} could not be started: ${why}.\n${said}`, {
      hint: 'Run `tidemark demo --keep --dir DIR` and look into the log files in DIR.',
    });
  }
}

/** A running agent and daemon. Disposing stops both, the daemon first. */
export class DemoProcesses implements AsyncDisposable {
  /** Where the agent listens. */
  readonly agentUrl: string;
  readonly client: DaemonClient;
  readonly #agent: Child;
  readonly #daemon: Child;

  private constructor(agent: Child, agentUrl: string, daemon: Child, client: DaemonClient) {
    this.#agent = agent;
    this.agentUrl = agentUrl;
    this.#daemon = daemon;
    this.client = client;
  }

  /** Starts both and connects to the daemon. Throws `TM5004` when one does not come up. */
  static async start(context: CliContext, folder: DemoFolder): Promise<DemoProcesses> {
    await using started = new AsyncDisposableStack();
    const agent = await Child.start(context, 'agent', join(folder.root, 'agent.log'), [
      'agent',
      '--provider=simulated',
      `--root=${folder.host}`,
      '--listen=http://127.0.0.1:0',
      `--password-file=${folder.agentPassword}`,
    ]);
    started.defer(async () => agent.stop());
    const agentUrl = await agent.until(
      async () => /^listening on (\S+)$/m.exec(await agent.log())?.[1],
      context.signal,
    );
    const daemon = await Child.start(context, 'daemon', join(folder.root, 'daemon.log'), [
      'daemon',
      'run',
      `--data=${folder.data}`,
    ]);
    started.defer(async () => daemon.stop());
    const client = await daemon.until(async () => tryConnect(folder.data, context.signal), context.signal);
    started.move();
    return new DemoProcesses(agent, agentUrl, daemon, client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop(async () => {
      await this.client.request(stopDaemon, { cancelRuns: true });
    });
    await this.client.close();
    await this.#agent.stop();
  }
}

async function tryConnect(dataDirectory: string, signal: AbortSignal): Promise<DaemonClient | undefined> {
  try {
    return await connectDaemon({ dataDirectory, client: `tidemark-demo ${version}`, signal });
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.daemonNotRunning)) return undefined;
    throw error;
  }
}
