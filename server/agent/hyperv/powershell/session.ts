/** One warm PowerShell with the module loaded: takes one request at a time and gives its answer. */
import { oneLine } from '../../../base/one-line.ts';
import type { Logger } from '../../../base/log.ts';
import type { Clock } from '../calls/clock.ts';
import { answer } from '../commands/answer.ts';
import type { ModuleError } from '../commands/answer.ts';
import type { Command } from '../commands/command.ts';
import { json } from '../../../protocol/parse.ts';
import { GarbledError, HungError, UnfitError } from './failures.ts';
import { constrainedLanguage, parseStarted, startLine } from './prologue.ts';
import type { Shell } from './shell.ts';
import { AnswerPages, pageRequestLine, parseOutput, requestLine } from './wire.ts';
import type { AnswerPage } from './wire.ts';

/** Milliseconds between looks at the error stream of a PowerShell that has not started yet. */
const startLookMs = 250;

/** What sessions have in common. */
export interface SessionOptions {
  readonly modulePath: string;
  readonly startMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ids are never used twice, so that no answer can be taken for another one. */
  readonly nextId: () => number;
}

/** What a function of the module gave. */
export type Answered<R> =
  | { readonly ok: true; readonly result: R }
  | { readonly ok: false; readonly error: ModuleError };

/** A started session. */
export class Session {
  readonly shell: Shell;
  /** Requests that were answered. */
  invocations = 0;
  readonly #options: SessionOptions;
  #isDiscarded = false;

  private constructor(shell: Shell, options: SessionOptions) {
    this.shell = shell;
    this.#options = options;
  }

  /** Waits until the module is loaded. Throws `DiedError`, `HungError` or `UnfitError`, when the process is being killed already. */
  static async start(shell: Shell, options: SessionOptions): Promise<Session> {
    const session = new Session(shell, options);
    try {
      await session.#load();
      return session;
    } catch (error) {
      session.discard(`it did not start: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }

  /** Asks for one answer. After any error the session must not be used again. */
  async ask<R>(command: Command<object, R>, args: object, quietMs: number): Promise<Answered<R>> {
    const id = this.#options.nextId();
    const first = await this.#page(id, requestLine(id, command.name, args), quietMs);
    const pages = new AnswerPages(first);
    for (let page = pages.next; page !== undefined; page = pages.next) {
      const pageId = this.#options.nextId();
      pages.add(await this.#page(pageId, pageRequestLine(pageId, id, page), quietMs));
    }
    this.invocations += 1;
    return parseAnswer(command, pages.text());
  }

  /** Ends the session in the background. */
  discard(why: string): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    const { log } = this.#options;
    const { processId } = this.shell;
    log.log('info', `PowerShell${processId === undefined ? '' : ` ${processId}`} is ended: ${why}`);
    this.shell.kill().catch((error: unknown) => log.log('error', 'ending PowerShell failed', error));
  }

  async #page(id: number, line: string, quietMs: number): Promise<AnswerPage> {
    const { page, noise } = parseOutput(await this.#run(line, quietMs), id);
    if (noise.length > 0) this.#logText('wrote besides its answer', noise.join(' '));
    return page;
  }

  async #load(): Promise<void> {
    const { modulePath, startMs } = this.#options;
    const found = parseStarted(
      await this.#run(startLine(modulePath, process.pid), startMs, () => this.#refuseConstrained()),
    );
    if (found === undefined) {
      this.#refuseConstrained();
      throw new UnfitError(
        'PowerShell started, but did not load the module of Tidemark.',
        'Install the agent again, and look into its log.',
      );
    }
    if (found.state === 'failed') {
      throw new UnfitError(
        `PowerShell could not load the module of Tidemark: ${oneLine(found.message, 512)}`,
        'Install the agent again. The module needs Windows PowerShell 5.1 or newer.',
        { cause: `${found.type} ${found.errorId} 0x${found.hresult.toString(16)}` },
      );
    }
    this.#options.log.log('debug', `PowerShell ${found.version} started as process ${found.processId}`);
  }

  /** Runs a line. `look` is called now and then while it runs, and may throw. */
  async #run(line: string, quietMs: number, look?: () => void): Promise<string> {
    const { clock } = this.#options;
    const { promise: failed, reject } = Promise.withResolvers<never>();
    const stopQuiet = clock.after(quietMs, () => reject(new HungError(`no answer in ${quietMs / 1000} seconds`)));
    let stopLook: (() => void) | undefined;
    const lookAgain = (): void => {
      try {
        look?.();
        stopLook = clock.after(startLookMs, lookAgain);
      } catch (error) {
        reject(error);
      }
    };
    if (look !== undefined) lookAgain();
    try {
      const { stdout, stderr } = await Promise.race([this.shell.run(line), failed]);
      if (stderr !== '') this.#logText('wrote to its error stream', stderr);
      return stdout;
    } catch (error) {
      const text = this.shell.errorText();
      if (text !== '') this.#logText('wrote to its error stream before it failed', text);
      throw error;
    } finally {
      stopQuiet();
      stopLook?.();
    }
  }

  /** Under application control no method can be called, so not even the end of a command can be told: it would only seem to hang. */
  #refuseConstrained(): void {
    if (!this.shell.errorText().includes(constrainedLanguage)) return;
    throw new UnfitError(
      'Application control on this host lets PowerShell run only in its constrained language mode.',
      'Allow the folder of the agent in the AppLocker or WDAC policy of the host.',
    );
  }

  #logText(what: string, text: string): void {
    // Progress is written as CLIXML to a redirected error stream; it says nothing.
    const level = text.startsWith('#< CLIXML') ? 'debug' : 'warning';
    this.#options.log.log(level, `PowerShell ${this.shell.processId ?? ''} ${what}: ${oneLine(text, 4096)}`);
  }
}

function parseAnswer<R>(command: Command<object, R>, text: string): Answered<R> {
  const what = `the answer of ${command.name}`;
  try {
    const { result, error } = json(text, answer(command.result), what);
    if (error !== undefined) return { ok: false, error };
    if (result !== undefined) return { ok: true, result };
  } catch (error) {
    throw new GarbledError(`${what} is not what it must be`, { cause: error });
  }
  throw new GarbledError(`${what} is empty`);
}
