/** One process of PowerShell under node-powershell, with what that library leaves open made safe. */
import { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { PowerShell } from 'node-powershell';
import type { PowerShellOptions } from 'node-powershell';

import { DiedError, GarbledError } from './failures.ts';
import { killTree } from './kill.ts';

/** Characters of one invocation on either stream, above which the process counts as gone wild. */
const maxOutput = 4 * 1024 * 1024;
/** Characters of the error stream that are kept. */
const maxErrorText = 16 * 1024;
/** Milliseconds that are waited for a killed process. */
const killMs = 5_000;

/** What one line made PowerShell write. */
export interface ShellOutput {
  readonly stdout: string;
  /** The end of it, when it was long. */
  readonly stderr: string;
}

/** A process that runs one line after the other. */
export interface Shell {
  readonly processId: number | undefined;
  /** Resolves, never rejects, when the process has ended: how. */
  readonly ended: Promise<string>;
  /** Runs one line. Throws `DiedError` when the process ends meanwhile, `GarbledError` when it floods a stream. Not before the last one is done. */
  run(line: string): Promise<ShellOutput>;
  /** What came on the error stream since the last line was given, as far as it is kept. */
  errorText(): string;
  /** Ends the process; resolves when it is gone. Never throws. */
  kill(): Promise<void>;
}

/** Starts PowerShell. Nothing is known yet of whether it works. Throws `DiedError` when not even a process could be made. */
export function startShell(executable: string, environment: NodeJS.ProcessEnv): Shell {
  try {
    return new NodeShell(executable, environment);
  } catch (error) {
    throw new DiedError(`it could not be started: ${reason(error)}`, { neverStarted: true, cause: error });
  }
}

/** node-powershell with our executable and with delimiters that it finds. */
class QuietPowerShell extends PowerShell {
  /** As given: the library would take `NODE_POWERSHELL` first, and short names from PATH. */
  protected override setExecutable({ executable }: { executable?: string }): string {
    return executable ?? '';
  }

  // The library finds the closing delimiter in a single chunk only when one character follows it: never with the CR LF of WriteLine.
  protected override writeToOutput(input: string): string {
    return `[Console]::Out.Write('${input}' + [char]10)`;
  }

  protected override writeToError(input: string): string {
    return `[Console]::Error.Write('${input}' + [char]10)`;
  }
}

class NodeShell implements Shell {
  readonly ended: Promise<string>;
  readonly #shell: QuietPowerShell;
  readonly #child: ChildProcess;
  /** How the process ended, when it has. */
  #how: string | undefined;
  #errorText = '';
  #received = { stdout: 0, stderr: 0 };
  /** Ends the line that runs. One for each: a promise of the whole life would keep something of every line. */
  #fail: ((error: Error) => void) | undefined;
  /** Ends the line that runs for the library. */
  #leave: (() => void) | undefined;

  constructor(executable: string, environment: NodeJS.ProcessEnv) {
    const options: PowerShellOptions = {
      executable,
      executableOptions: {
        '-NoLogo': true,
        '-NoProfile': true,
        '-NonInteractive': true,
        '-ExecutionPolicy': 'Bypass',
      },
      spawnOptions: { env: environment, windowsHide: true },
      // What comes on the error stream says nothing of success: warnings and progress go there too.
      throwOnInvocationError: false,
    };
    this.#shell = new QuietPowerShell(options);
    silenceDebuggers(Reflect.get(this.#shell, 'debuggers'));
    const child: unknown = Reflect.get(this.#shell, 'process');
    if (!(child instanceof ChildProcess)) throw new TypeError('node-powershell has no process.');
    this.#child = child;
    // Rejects on its own when the process ends badly: without a handler that would end the agent.
    const exit: unknown = Reflect.get(this.#shell, 'exitPromise');
    this.ended = Promise.resolve(exit).then(
      () => this.#end(undefined),
      (error: unknown) => this.#end(error),
    );
    this.#watch();
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  errorText(): string {
    // Without the delimiters of node-powershell.
    return this.#errorText.replaceAll(/^[0-9A-Za-z]{16}$/gm, '').trim();
  }

  async run(line: string): Promise<ShellOutput> {
    this.#errorText = '';
    this.#received = { stdout: 0, stderr: 0 };
    if (this.#how !== undefined) throw this.#died(this.#how);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#fail = reject;
    // The library waits for the output or the end of the process: with one promise for all lines, the output of each would be kept until that end.
    const { promise: left, resolve } = Promise.withResolvers<void>();
    Reflect.set(this.#shell, 'exitPromise', left);
    this.#leave = resolve;
    try {
      const { stdout, stderr } = await Promise.race([this.#shell.invoke(line), failed]);
      // The library ends an invocation as a success when the process ends without an error.
      if (stdout === undefined) throw this.#died(await this.ended);
      return { stdout: stdout.toString('utf8'), stderr: (stderr ?? Buffer.of()).toString('utf8').slice(-maxErrorText) };
    } catch (error) {
      if (this.#how !== undefined) throw this.#died(this.#how, error);
      throw error;
    } finally {
      this.#fail = undefined;
      this.#leave = undefined;
      // Every command and its whole output would be kept for ever.
      this.#shell.history.length = 0;
    }
  }

  async kill(): Promise<void> {
    await killTree(this.#child);
    // A process that hangs in the kernel dies late; nobody waits for it.
    await Promise.race([this.ended, sleep(killMs, undefined, { ref: false })]);
  }

  #end(error: unknown): string {
    this.#how = this.#describeEnd(error);
    this.#fail?.(this.#died(this.#how));
    this.#leave?.();
    return this.#how;
  }

  #died(how: string, cause?: unknown): DiedError {
    return new DiedError(how, { neverStarted: this.#child.pid === undefined, cause });
  }

  #describeEnd(error: unknown): string {
    const { exitCode, signalCode } = this.#child;
    if (this.#child.pid === undefined) return `it could not be started: ${reason(error)}`;
    if (signalCode !== null) return `it was ended by ${signalCode}`;
    return `it ended with the exit code ${exitCode ?? 'none'}`;
  }

  #watch(): void {
    const { stdin, stdout, stderr } = this.#shell.streams;
    // A second error of a stream would have no listener, and end the agent. The end of the process tells the same.
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);
    this.#count(stdout, 'stdout');
    this.#count(stderr, 'stderr');
    stderr.on('data', (chunk: string | Buffer) => {
      this.#errorText = (this.#errorText + String(chunk)).slice(-maxErrorText);
    });
  }

  #count(stream: Readable, name: 'stdout' | 'stderr'): void {
    stream.on('data', (chunk: string | Buffer) => {
      this.#received[name] += chunk.length;
      if (this.#received[name] > maxOutput) this.#fail?.(new GarbledError('PowerShell writes without end'));
    });
  }
}

/** With the environment variable DEBUG, the library would print every command and its output to the agent's standard output. */
function silenceDebuggers(debuggers: unknown): void {
  if (typeof debuggers !== 'object' || debuggers === null) return;
  for (const debug of Object.values<unknown>({ ...debuggers })) {
    if (typeof debug === 'function') Reflect.set(debug, 'enabled', false);
  }
}

/** Why there is no process. The library writes a line of its own before the reason. */
function reason(error: unknown): string {
  return error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
}
