/** Jobs: they have a life of their own, are asked about, can be cancelled, and vanish five minutes after their end (docs/hyperv.md). */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { description, hresults, methodFailure, MethodFailure, returnCodes } from './failures.ts';
import type { FaultSwitches, JobEnd } from './faults.ts';
import type { Instance, Reference } from './wire.ts';

/** How long an ended job can still be asked about, in milliseconds. */
const keptMs = 300_000;

export const jobStates = {
  fresh: 2,
  starting: 3,
  running: 4,
  completed: 7,
  terminated: 8,
  killed: 9,
  exception: 10,
  completedWithWarnings: 32_768,
} as const;

/** What a method does, as a job. */
export interface Work {
  readonly method: string;
  /** `JobType`. */
  readonly type: number;
  /** Words for what it does. */
  readonly title: string;
  readonly className?: 'Msvm_ConcreteJob' | 'Msvm_StorageJob';
  readonly cancellable: boolean;
  /** Does it. Reports percent; throws `MethodFailure` or a Tidemark error. Returns what it made or changed. */
  run(context: WorkContext): Promise<readonly Reference[]>;
}

export interface WorkContext {
  readonly signal: AbortSignal;
  /** 0 to 100; a lower one than before is dropped. */
  progress(percent: number): void;
}

/** How often a job that takes its time says so. */
const ticks = 8;

export class Job {
  readonly id = randomUUID().toUpperCase();
  readonly work: Work;
  readonly startedAt: number;
  endedAt: number | undefined;
  affected: readonly Reference[] = [];
  errorCode = 0;
  hresult = 0;
  errorText = '';
  errors: readonly string[] = [];
  /** Settles when the job has ended; never rejects. */
  readonly done: Promise<void>;
  readonly #faults: FaultSwitches;
  readonly #cancel = new AbortController();
  #cancelState: number = jobStates.terminated;
  #state: number = jobStates.running;
  #percent = 0;
  #shown = 0;

  constructor(work: Work, faults: FaultSwitches, now: () => number) {
    this.work = work;
    this.#faults = faults;
    this.startedAt = now();
    this.done = this.#live().finally(() => {
      this.endedAt = now();
    });
  }

  get cancellable(): boolean {
    return this.#faults.now.cancellable[this.work.method] ?? this.work.cancellable;
  }

  async #live(): Promise<void> {
    const { method } = this.work;
    try {
      const end = this.#faults.now.jobEnds[method];
      await this.#takeTime(method);
      const progress = (percent: number): void => this.#report(percent);
      if (end === undefined || end.worked)
        this.affected = await this.work.run({ signal: this.#cancel.signal, progress });
      if (end !== undefined) return this.#finishAs(end);
      this.#state = jobStates.completed;
      this.#percent = 100;
    } catch (error) {
      if (this.#cancel.signal.aborted) this.#state = this.#cancelState;
      else this.#fail(methodFailure(error));
    }
  }

  async #takeTime(method: string): Promise<void> {
    const milliseconds = this.#faults.now.jobMs[method] ?? 0;
    const count = milliseconds > 0 ? ticks : 0;
    for (let tick = 1; tick <= count; tick++) {
      await sleep(milliseconds / ticks, undefined, { signal: this.#cancel.signal });
      // Two ticks in a row show the same percentage, as real jobs do.
      this.#report((Math.floor(tick / 2) * 200) / ticks);
    }
    while (this.#faults.has('stuckJobs', method)) await sleep(5, undefined, { signal: this.#cancel.signal });
  }

  #finishAs(end: JobEnd): void {
    this.#state = end.state;
    this.errorCode = end.errorCode;
    this.hresult = end.hresult ?? 0;
    const failed = end.errorCode !== 0 || end.hresult !== undefined;
    if (end.state === jobStates.completed) this.#percent = 100;
    if (!failed && end.text === undefined) return;
    this.#describe(new MethodFailure(end.errorCode, end.hresult, [end.text ?? '']), end.text);
  }

  #fail(failure: MethodFailure): void {
    this.#state = jobStates.exception;
    this.errorCode = failure.returnValue;
    this.hresult = failure.hresult ?? hresults.unspecified;
    this.#describe(failure, undefined);
  }

  #describe(failure: MethodFailure, text: string | undefined): void {
    const { language } = this.#faults.now;
    this.errorText = text ?? description(this.work.title, failure, language);
    this.errors = failure.reasons.length > 1 ? failure.reasons : [this.errorText];
  }

  #report(percent: number): void {
    this.#percent = Math.max(this.#percent, Math.min(99, Math.floor(percent)));
  }

  /** `RequestStateChange` 4 (terminate) or 5 (kill); the return code. */
  requestState(requested: number): number {
    if (requested !== 4 && requested !== 5) return 5;
    if (this.#state !== jobStates.running) return returnCodes.invalidTransition;
    if (!this.cancellable) return returnCodes.invalidState;
    const { cancelReturns } = this.#faults.now;
    if (cancelReturns !== 0) return cancelReturns;
    this.#cancelState = requested === 4 ? jobStates.terminated : jobStates.killed;
    this.#cancel.abort();
    return 0;
  }

  /** Ends it without a word: VMMS goes down. */
  abandon(): void {
    this.#cancel.abort();
  }

  /** The state to show. Where every state is to be seen, each question moves it one on until it has caught up. */
  #showState(): number {
    if (this.#faults.now.jobStates === 'now') return this.#state;
    this.#shown++;
    if (this.#shown === 1) return jobStates.fresh;
    if (this.#shown === 2) return jobStates.starting;
    return this.#shown === 3 ? jobStates.running : this.#state;
  }

  /** The job as it is shown now. */
  instance(): Instance {
    const state = this.#showState();
    const ended = state === this.#state && state !== jobStates.running;
    const shownEarly = state !== this.#state;
    const percent = shownEarly ? Math.min(this.#percent, state === jobStates.running ? 50 : 0) : this.#percent;
    const { title, type, className = 'Msvm_ConcreteJob' } = this.work;
    return {
      className,
      properties: {
        InstanceID: this.id,
        Caption: title,
        ElementName: title,
        Description: title,
        JobState: state,
        JobType: type,
        JobStatus: ended ? 'Completed' : 'Running',
        PercentComplete: percent,
        ErrorCode: ended ? this.errorCode : 0,
        ErrorDescription: ended ? this.errorText : '',
        ErrorSummaryDescription: ended ? this.errorText : '',
        Cancellable: this.cancellable,
        DeleteOnCompletion: true,
        TimeBeforeRemoval: String(keptMs / 1000),
        StartTime: new Date(this.startedAt).toISOString(),
        ElapsedTime: String(((this.endedAt ?? Date.now()) - this.startedAt) / 1000),
        OperationalStatus: [2],
        HealthState: 5,
        ...(className === 'Msvm_StorageJob' && { JobCompletionStatusCode: ended ? this.hresult : 0 }),
      },
    };
  }

  get reference(): Reference {
    return { className: this.work.className ?? 'Msvm_ConcreteJob', keys: { InstanceID: this.id } };
  }

  /** Whether it ended well. */
  get succeeded(): boolean {
    const good = this.#state === jobStates.completed || this.#state === jobStates.completedWithWarnings;
    return good && this.errorCode === 0;
  }
}

/** All jobs of a VMMS. */
export class Jobs {
  readonly #faults: FaultSwitches;
  readonly #now: () => number;
  readonly #jobs = new Map<string, Job>();

  constructor(faults: FaultSwitches, now: () => number) {
    this.#faults = faults;
    this.#now = now;
  }

  start(work: Work): Job {
    const job = new Job(work, this.#faults, this.#now);
    this.#jobs.set(job.id, job);
    return job;
  }

  /** The jobs that there still are. */
  list(): readonly Job[] {
    for (const [id, { endedAt }] of this.#jobs) {
      if (endedAt !== undefined && this.#now() - endedAt >= keptMs) this.#jobs.delete(id);
    }
    return [...this.#jobs.values()];
  }

  get(id: string): Job | undefined {
    return this.list().find((job) => job.id === id.toUpperCase());
  }

  /** All jobs are gone, also those that run. */
  async forget(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const job of jobs) job.abandon();
    await Promise.all(jobs.map((job) => job.done));
  }
}
