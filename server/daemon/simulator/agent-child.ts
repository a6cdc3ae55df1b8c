/** The simulator's agent: a child process that is started again when it dies, and never outlives the daemon. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

import type { Logger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import { abortable } from '../deadline.ts';
import { simulatorFailed } from './own-program.ts';
import type { OwnProgram } from './own-program.ts';

/** What the agent needs. */
export interface AgentChildOptions {
  readonly program: OwnProgram;
  /** The host directory. */
  readonly root: string;
  /** Read at each start. */
  readonly password: () => Promise<string>;
  /** Called each time the agent listens, with where. */
  readonly onListening: (url: string) => void;
  readonly log: Logger;
}

const firstRetryMs = 500;
const maxRetryMs = 30_000;
/** An agent that ran for so long is started again without delay, ms. */
const healthyMs = 60_000;
const startTimeoutMs = 30_000;
const stopTimeoutMs = 5000;

/** Keeps one agent running from `start` to `stop`. */
export class AgentChild {
  readonly #options: AgentChildOptions;
  #child: ChildProcess | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  #stopped = false;
  #url: string | undefined;
  #error: ErrorReport | undefined;
  #listening = Promise.withResolvers<string>();

  constructor(options: AgentChildOptions) {
    this.#options = options;
    this.#start();
  }

  /** Where it listens; undefined while it does not. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Why it does not run, once it failed. */
  get error(): ErrorReport | undefined {
    return this.#error;
  }

  /** Resolves when it listens. Throws `TM5206` when it does not in time. */
  async ready(signal: AbortSignal): Promise<string> {
    if (this.#url !== undefined) return this.#url;
    const timeout = Promise.withResolvers<never>();
    const late = (): void =>
      timeout.reject(simulatorFailed(this.#error?.message ?? 'its agent does not start in time'));
    const timer = setTimeout(late, startTimeoutMs);
    try {
      return await abortable(Promise.race([this.#listening.promise, timeout.promise]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    const child = this.#child;
    if (child === undefined) return;
    const ended = Promise.withResolvers<void>();
    child.once('close', () => ended.resolve());
    // The end of its input is its signal to go; that works on every platform.
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await ended.promise;
    clearTimeout(timer);
  }

  #start(): void {
    this.#launch().catch((error: unknown) => this.#failed(error));
  }

  async #launch(): Promise<void> {
    const { program, root, log } = this.#options;
    const [executable = '', ...first] = program;
    const password = await this.#options.password();
    if (this.#stopped) return;
    const own = ['--provider', 'simulated', '--root', root, '--listen', 'http://127.0.0.1:0', '--password-file', '-'];
    const args = [...first, 'agent', ...own, '--with-standard-input'];
    const child = spawn(executable, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    this.#child = child;
    const startedAt = performance.now();
    let lastWords = '';
    child.stdin.on('error', (error) => log.log('debug', "The simulator's agent does not take its input", error));
    child.stdin.write(`${password}\n`);
    createInterface({ input: child.stderr }).on('line', (line) => {
      lastWords = line;
      log.log('debug', `[simulator] ${line}`);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^listening on (\S+)$/.exec(line)?.[1];
      if (url !== undefined) this.#up(url);
    });
    child.once('error', (error) => (lastWords = error.message));
    child.once('close', () => {
      if (performance.now() - startedAt > healthyMs) this.#retryMs = firstRetryMs;
      this.#down(lastWords);
    });
  }

  #up(url: string): void {
    this.#url = url;
    this.#error = undefined;
    this.#listening.resolve(url);
    this.#options.onListening(url);
  }

  #down(lastWords: string): void {
    this.#child = undefined;
    if (this.#url !== undefined) this.#listening = Promise.withResolvers();
    this.#url = undefined;
    if (this.#stopped) return;
    this.#failed(new TidemarkError(errorCodes.simulatorFailed, `Its agent ended: ${lastWords || 'without a word'}`));
  }

  #failed(error: unknown): void {
    this.#error = TidemarkError.from(error).report();
    if (this.#stopped) return;
    this.#options.log.log('warning', `The simulator's agent is started again in ${this.#retryMs / 1000} s`, error);
    this.#retry = setTimeout(() => this.#start(), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs);
  }
}
