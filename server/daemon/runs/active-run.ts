/** One run from its start to its end: what executors report goes in, snapshots for clients come out, bounded in rate and size. */
import type { Logger, LogLevel } from '../../base/log.ts';
import type { LogLine, RunInfo, RunOutcome, RunPhase, RunRequest, RunSample, RunState } from '../../protocol/daemon.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import { TidemarkError } from '../../protocol/errors.ts';
import type { RunId } from '../../protocol/ids.ts';
import { titleOf } from './conflicts.ts';
import type { JournalEntry, RunContext } from './context.ts';
import { ProgressCounter } from './progress.ts';
import { RunLog } from './run-log.ts';
import { RunSamples, sampleIntervalMs } from './samples.ts';
import { isFinished } from '../../protocol/daemon.ts';
import type { Store } from '../store/store.ts';

/** Milliseconds between two updates of one run. Eight a second, so that the last state, which does not wait, is the ninth. */
export const updateIntervalMs = 125;
/** How often the throughput is looked at again while nothing is reported. */
const tickMs = 1000;
/** Limits of `runInfo` in protocol/daemon.ts. */
const maxWarnings = 1024;
const maxWarningLength = 4096;
const maxTitleLength = 1024;

/** What a run needs from its manager. */
export interface RunSurroundings {
  readonly store: Store;
  readonly log: Logger;
  readonly redact: (text: string) => string;
  /** Called at most ten times a second, and at once with the last state. */
  readonly onUpdate: (run: RunInfo) => void;
  /** Called before an entry is written; throws when the run may not go on. */
  readonly onJournal: (run: ActiveRun, entry: JournalEntry) => void;
}

/** How a run ended. */
export type RunEnd =
  | { readonly state: 'succeeded'; readonly outcome: RunOutcome }
  | {
      readonly state: 'failed' | 'cancelled' | 'interrupted';
      readonly error: ErrorReport;
      /** What it has to show all the same: the run of a policy says what became of each VM. */
      readonly outcome?: RunOutcome;
    };

/** A run that is queued, running or cancelling. */
export class ActiveRun implements RunContext {
  readonly id: RunId;
  readonly request: RunRequest;
  /** The run that this one is part of. */
  readonly parent: RunId | undefined;
  readonly #surroundings: RunSurroundings;
  readonly #controller = new AbortController();
  readonly #progress = new ProgressCounter();
  readonly #warnings: string[] = [];
  readonly #log: RunLog;
  readonly #queuedAt: string;
  #title: string;
  #state: RunState = 'queued';
  #startedAt: string | undefined;
  #finishedAt: string | undefined;
  #error: ErrorReport | undefined;
  #outcome: RunOutcome | undefined;
  #sequence = 0;
  #lastUpdate = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #ticker: NodeJS.Timeout | undefined;
  readonly #samples = new RunSamples();
  #sampler: NodeJS.Timeout | undefined;
  #begunAt = 0;

  constructor(id: RunId, request: RunRequest, parent: RunId | undefined, surroundings: RunSurroundings) {
    this.id = id;
    this.request = request;
    this.parent = parent;
    this.#title = titleOf(request);
    this.#surroundings = surroundings;
    this.#queuedAt = new Date().toISOString();
    this.#log = new RunLog(id, surroundings);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What it is about, for people. */
  get title(): string {
    return this.#title;
  }

  get state(): RunState {
    return this.#state;
  }

  /** The state now. */
  info(): RunInfo {
    return {
      id: this.id,
      ...(this.parent === undefined ? {} : { parent: this.parent }),
      request: this.request,
      title: this.#title,
      state: this.#state,
      queuedAt: this.#queuedAt,
      ...(this.#startedAt === undefined ? {} : { startedAt: this.#startedAt }),
      ...(this.#finishedAt === undefined ? {} : { finishedAt: this.#finishedAt }),
      progress: this.#progress.snapshot(performance.now()),
      warnings: [...this.#warnings],
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#outcome === undefined ? {} : { outcome: this.#outcome }),
      sequence: this.#sequence,
    };
  }

  /** Queued → running. */
  begin(): void {
    this.#state = 'running';
    this.#startedAt = new Date().toISOString();
    this.#ticker = setInterval(() => this.#changed(), tickMs).unref();
    this.#begunAt = performance.now();
    this.#sample();
    this.#sampler = setInterval(() => this.#sample(), sampleIntervalMs).unref();
    this.#persist();
    this.#changed();
  }

  /** Asks the run to stop; `reason` is what its signal is aborted with. */
  cancel(reason: TidemarkError): void {
    if (isFinished(this.#state) || this.signal.aborted) return;
    if (this.#state === 'running') {
      this.#state = 'cancelling';
      this.#persist();
      this.#changed();
    }
    this.log('info', `Cancelling: ${reason.message}`);
    this.#controller.abort(reason);
  }

  /** The end; after this nothing of the run changes. The state is durable before anybody hears of it; false when it could not be recorded. */
  finish(end: RunEnd): boolean {
    clearInterval(this.#ticker);
    clearInterval(this.#sampler);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#progress.setPhase('finished');
    this.#state = end.state;
    this.#finishedAt = new Date().toISOString();
    this.#outcome = end.outcome;
    if (end.state !== 'succeeded')
      this.#error = { ...end.error, message: this.#surroundings.redact(end.error.message) };
    this.#sequence += 1;
    this.#log.close();
    const recorded = this.#persist();
    this.#persistSamples();
    this.#emit();
    return recorded;
  }

  phase(phase: RunPhase): void {
    if (isFinished(this.#state)) return;
    this.#progress.setPhase(phase);
    this.#log.add('debug', `Phase: ${phase}`);
    this.#persist();
    this.#changed();
  }

  jobPercent(percent: number | undefined): void {
    this.#progress.setJobPercent(percent);
    this.#changed();
  }

  setDisks(disks: readonly { readonly name: string; readonly totalBytes: number }[]): void {
    this.#progress.setDisks(disks, performance.now());
    this.#changed();
  }

  advance(disk: string, bytes: number): void {
    this.#progress.advance(disk, bytes);
    this.#changed();
  }

  setTitle(text: string): void {
    this.#title = text.slice(0, maxTitleLength);
    this.#persist();
    this.#changed();
  }

  warn(text: string): void {
    this.#pushWarning(text);
    this.log('warning', text);
    this.#changed();
  }

  log(level: LogLevel, text: string, error?: unknown): void {
    this.#log.add(level, text);
    this.#surroundings.log.log(level, `[run ${this.id}] ${text}`, error);
  }

  async journal(entry: JournalEntry): Promise<void> {
    this.#surroundings.onJournal(this, entry);
    this.#surroundings.store.appendJournal(this.id, entry);
  }

  /** Log lines from `from` on, also those that are not stored yet. */
  logLines(from: number, limit: number): readonly LogLine[] {
    return this.#log.lines(from, limit);
  }

  /** Resolves when line `from` is there or the run has ended, or `signal` aborts. */
  async logReaches(from: number, signal: AbortSignal): Promise<void> {
    while (!this.#log.has(from) && !isFinished(this.#state) && !signal.aborted) {
      const woken = Promise.withResolvers<void>();
      const onAbort = (): void => woken.resolve();
      const waiting = this.#log.onLines(woken.resolve);
      signal.addEventListener('abort', onAbort, { once: true });
      await woken.promise;
      signal.removeEventListener('abort', onAbort);
      waiting[Symbol.dispose]();
    }
  }

  /** How much moved over time, so far. */
  samples(): readonly RunSample[] {
    return this.#samples.list();
  }

  #sample(last = false): void {
    if (this.#startedAt === undefined) return;
    const now = performance.now();
    this.#samples.add(now - this.#begunAt, this.#progress.snapshot(now).doneBytes, last);
  }

  #persistSamples(): void {
    this.#sample(true);
    try {
      this.#surroundings.store.putSamples(this.id, this.samples());
    } catch (error) {
      this.#surroundings.log.log('warning', `The chart of run ${this.id} could not be recorded`, error);
    }
  }

  #pushWarning(text: string): void {
    if (this.#warnings.length < maxWarnings)
      this.#warnings.push(this.#surroundings.redact(text).slice(0, maxWarningLength));
  }

  /** Stores the state. Failing to is no reason to fail a backup or not to cancel it: only the journal is strict. */
  #persist(): boolean {
    try {
      this.#surroundings.store.updateRun(this.info());
      return true;
    } catch (error) {
      this.#surroundings.log.log('error', `The state of run ${this.id} (${this.#state}) could not be recorded`, error);
      this.#pushWarning(`The history could not record this run: ${TidemarkError.from(error).message}`);
      return false;
    }
  }

  #changed(): void {
    if (this.#timer !== undefined || isFinished(this.#state)) return;
    const wait = this.#lastUpdate + updateIntervalMs - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#sequence += 1;
        this.#emit();
      },
      Math.max(0, wait),
    );
  }

  #emit(): void {
    this.#lastUpdate = performance.now();
    this.#surroundings.onUpdate(this.info());
  }
}
