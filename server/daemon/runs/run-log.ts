/** The log of one run: numbered lines, stored in batches, bounded. */
import type { Logger, LogLevel } from '../../base/log.ts';
import type { LogLine } from '../../protocol/daemon.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { Store } from '../store/store.ts';

/** Lines of one run that are kept; the log file of the daemon has them all. */
const maxLines = 50_000;
const maxTextLength = 16_384;
/** Lines wait this long for others, so that a chatty run does not flush the disk for each of them. */
const flushMs = 200;
const maxBatch = 256;

/** What a run's log needs. */
export interface RunLogSurroundings {
  readonly store: Store;
  /** The daemon's own log. */
  readonly log: Logger;
  readonly redact: (text: string) => string;
}

/** Collects the lines of a run. */
export class RunLog {
  readonly #run: RunId;
  readonly #surroundings: RunLogSurroundings;
  /** Number of the next line. */
  #next = 0;
  #batch: LogLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Who waits for a line that was not there when they asked. */
  readonly #waiting = new Set<() => void>();

  constructor(run: RunId, surroundings: RunLogSurroundings) {
    this.#run = run;
    this.#surroundings = surroundings;
  }

  add(level: LogLevel, text: string): void {
    if (this.#next > maxLines) return;
    const last = this.#next === maxLines;
    const shown = last
      ? 'More lines follow in the log file of the daemon only.'
      : this.#surroundings.redact(text).slice(0, maxTextLength);
    this.#batch.push({ time: new Date().toISOString(), level, text: shown });
    this.#next += 1;
    if (this.#batch.length >= maxBatch) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), flushMs).unref();
  }

  /** Whether line `from` is there. */
  has(from: number): boolean {
    return from < this.#next;
  }

  /** Calls `wake` once when lines were added, or the log is closed; the result takes that back. */
  onLines(wake: () => void): Disposable {
    this.#waiting.add(wake);
    return { [Symbol.dispose]: () => this.#waiting.delete(wake) };
  }

  /** At most `limit` lines from line `from` on. */
  lines(from: number, limit: number): readonly LogLine[] {
    this.flush();
    return this.#surroundings.store.log(this.#run, from, limit);
  }

  /** Stores what waits. A log that cannot be stored is no reason to fail a backup: the daemon's log file says so. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    try {
      this.#surroundings.store.appendLog(this.#run, this.#next - batch.length, batch);
    } catch (error) {
      this.#surroundings.log.log('error', `${batch.length} log lines of run ${this.#run} could not be stored`, error);
    }
    this.#wake();
  }

  close(): void {
    this.flush();
    this.#wake();
  }

  /** With the batch, so that following a chatty run does not cost a disk flush for each line. */
  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
