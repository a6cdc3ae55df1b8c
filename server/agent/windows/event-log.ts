/**
 * The agent's entries in the event log of Windows, where monitoring looks: start, and everything that is a warning or an error. They are written by `eventcreate.exe`, which every Windows has, and
 * shown by its table of messages, so that no DLL of ours must be loaded by others.
 */
import { LineBudget } from '../../base/line-budget.ts';
import type { Logger, LogLevel } from '../../base/log.ts';
import { redact } from '../../base/log.ts';
import { oneLine } from '../../base/one-line.ts';
import { systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';
import { removeRegistryKey, writeRegistryKey } from './registry.ts';

/** The source of our entries in the log `Application`. */
export const eventSource = 'Tidemark Agent';

const sourceKey = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application` + `\\${eventSource}`;

/** Makes the source known, as eventcreate.exe would do with rights of an administrator. */
export async function registerEventSource(run: RunProgram): Promise<void> {
  const values = {
    EventMessageFile: String.raw`%SystemRoot%\System32\EventCreate.exe`,
    // eventcreate.exe writes only for sources that carry this.
    CustomSource: 1,
    // Errors, warnings and information.
    TypesSupported: 7,
  };
  await writeRegistryKey(run, sourceKey, values, ['EventMessageFile']);
}

/** Takes the source away; its entries stay, without their text. */
export async function removeEventSource(run: RunProgram): Promise<void> {
  await removeRegistryKey(run, sourceKey);
}

/** Entries by level, as eventcreate.exe names their type, and the event's number by which monitoring may filter. */
const kinds = { info: ['INFORMATION', 1], warning: ['WARNING', 2], error: ['ERROR', 3] } as const;

/** Longer texts are cut, characters: a command line of Windows has an end. */
const maxText = 4000;
/** Entries that may wait while others are written; further ones are left out, and their number is told. */
const maxWaiting = 20;
/** Entries in a period of milliseconds: what daemons do wrong must not push out of the log what others have written there. */
const maxEntries = 500;
const periodMs = 3_600_000;

/** A logger that writes to `log`, and warnings and errors also to the event log. */
export class EventLog implements Logger {
  readonly #log: Logger;
  readonly #run: RunProgram;
  readonly #waiting: (readonly [kind: keyof typeof kinds, text: string])[] = [];
  readonly #budget: LineBudget;
  #leftOut = 0;
  #writing: Promise<void> | undefined;

  /** `now`: milliseconds, of which only differences mean something. */
  constructor(log: Logger, run: RunProgram, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#run = run;
    this.#budget = new LineBudget(maxEntries, periodMs, now);
  }

  log(level: LogLevel, message: string, error?: unknown): void {
    this.#log.log(level, message, error);
    if (level === 'warning' || level === 'error') {
      this.write(level, error instanceof Error ? `${message}: ${error.message}` : message);
    }
  }

  /** Writes an entry, some time soon. */
  write(kind: keyof typeof kinds, text: string): void {
    let taken = false;
    if (this.#waiting.length < maxWaiting) this.#budget.spend(() => (taken = true));
    if (!taken) {
      this.#leftOut++;
      return;
    }
    this.#waiting.push([kind, oneLine(redact(text), maxText)]);
    this.#writing ??= this.#writeAll();
  }

  /** Waits until what was written is in the log, or could not be. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    let told = false;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#next()) {
      const failure = await this.#create(...next);
      if (failure !== undefined && !told)
        this.#log.log('warning', `the event log of Windows takes no entry: ${failure}`);
      told ||= failure !== undefined;
    }
    this.#writing = undefined;
  }

  #next(): readonly [keyof typeof kinds, string] | undefined {
    const next = this.#waiting.shift();
    if (next !== undefined || this.#leftOut === 0) return next;
    const text = `${this.#leftOut} more entries are only in the agent's log file.`;
    this.#leftOut = 0;
    return ['warning', text];
  }

  async #create(kind: keyof typeof kinds, text: string): Promise<string | undefined> {
    const [type, id] = kinds[kind];
    const args = ['/L', 'APPLICATION', '/SO', eventSource, '/T', type, '/ID', String(id), '/D', text];
    try {
      const { code, output } = await this.#run(systemProgram('eventcreate.exe'), args);
      return code === 0 ? undefined : `code ${code}, ${output}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
