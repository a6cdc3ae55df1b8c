/** Follows one job of Hyper-V to its end, whatever becomes of whoever wanted it. */
import { oneLine } from '../../../base/one-line.ts';
import type { Logger } from '../../../base/log.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import { actionOf } from '../failures/actions.ts';
import type { Clock } from './clock.ts';
import { getJob, jobPhase, stopJob } from '../commands/jobs.ts';
import type { Job, JobPhase } from '../commands/jobs.ts';
import { hypervError, jobFailure } from '../failures/errors.ts';
import type { JobTiming } from './job-timing.ts';
import type { PowerShell } from '../powershell/powershell.ts';

/** How a job ended. `unknown`: it vanished, or could not be asked any more; it may have done its work or not. */
export type JobEnding =
  | { readonly state: 'succeeded'; readonly warning: string | undefined }
  | { readonly state: 'failed'; readonly error: TidemarkError }
  | { readonly state: 'unknown'; readonly error: TidemarkError };

/** What following needs. */
export interface JobWatchOptions {
  readonly name: string;
  readonly lifetime: AbortSignal | undefined;
  readonly progress: ((percent: number) => void) | undefined;
  readonly timing: JobTiming;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What `RequestStateChange` returns when the job is busy: ask again. */
const stopBusy = 4099;

/** How much longer each pause between two questions is than the one before. */
const pollGrowth = 2;

/** One job. */
export class JobWatch {
  /** Resolves when the job made no progress, was cancelled for that, and has not ended in the time of grace. */
  readonly stuck: Promise<'stuck'>;
  readonly #powershell: PowerShell;
  readonly #jobId: string;
  readonly #options: JobWatchOptions;
  readonly #reportStuck: (value: 'stuck') => void;
  readonly #never = new AbortController().signal;
  #isStalled = false;
  #stopGrace: (() => void) | undefined;
  #percent = -1;
  /** What the job last said of itself, and when that was new. */
  #last: { readonly percent: number; readonly jobState: number } | undefined;
  #changedAt: number;
  /** When a cancelled job must have ended. */
  #settleBy: number | undefined;
  #isStopAsked = false;
  #wake: (() => void) | undefined;

  constructor(powershell: PowerShell, jobId: string, options: JobWatchOptions) {
    this.#powershell = powershell;
    this.#jobId = jobId;
    this.#options = options;
    this.#changedAt = options.clock.now();
    const { promise, resolve } = Promise.withResolvers<'stuck'>();
    this.stuck = promise;
    this.#reportStuck = resolve;
  }

  /** Whether the job was cancelled because it made no progress. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Asks the host to end the job, and goes on following it for a bounded time. */
  cancel(): void {
    if (this.#settleBy !== undefined) return;
    this.#settleBy = this.#options.clock.now() + this.#options.timing.settleMs;
    this.#wake?.();
  }

  /** Follows the job to its end. Never rejects. Call it once. */
  async run(): Promise<JobEnding> {
    const { lifetime, log } = this.#options;
    const wake = (): void => this.#wake?.();
    lifetime?.addEventListener('abort', wake, { once: true });
    try {
      return await this.#follow();
    } catch (error) {
      log.log('error', `following the job ${this.#jobId} failed`, error);
      return this.#unknown('it could not be followed', error);
    } finally {
      this.#stopGrace?.();
      lifetime?.removeEventListener('abort', wake);
    }
  }

  async #follow(): Promise<JobEnding> {
    const { clock, lifetime, timing } = this.#options;
    let pauseMs = timing.firstPollMs;
    let retryMs = timing.firstRetryMs;
    let answeredAt = clock.now();
    for (;;) {
      if (lifetime?.aborted === true) return this.#unknown('the agent was stopped');
      if (this.#settleBy !== undefined && clock.now() >= this.#settleBy) {
        return this.#unknown('it was cancelled, but goes on');
      }
      const asked = await this.#ask();
      if (asked.state === 'closed') return this.#unknown('the agent was stopped', asked.error);
      if (asked.state === 'failed') {
        if (clock.now() - answeredAt >= timing.lostMs)
          return this.#unknown('it could not be asked for too long', asked.error);
        await this.#sleep(retryMs);
        retryMs = Math.min(retryMs * 2, timing.maxRetryMs);
        continue;
      }
      answeredAt = clock.now();
      retryMs = timing.firstRetryMs;
      if (asked.job === null) return this.#unknown('it vanished before it told its result');
      const ending = this.#note(asked.job);
      if (ending !== undefined) return ending;
      if (this.#settleBy !== undefined) await this.#stop(asked.job);
      await this.#sleep(pauseMs);
      pauseMs = Math.min(pauseMs * pollGrowth, timing.maxPollMs);
    }
  }

  /** One question. A hung or dead PowerShell, and a management service that restarts, say nothing of the job. */
  async #ask(): Promise<
    | { readonly state: 'answered'; readonly job: Job | null }
    | { readonly state: 'failed'; readonly error: unknown }
    | { readonly state: 'closed'; readonly error: unknown }
  > {
    try {
      const { job } = await this.#powershell.invoke(getJob, { JobId: this.#jobId }, { signal: this.#never });
      return { state: 'answered', job };
    } catch (error) {
      // Nobody aborts the question: only the end of the pool does that.
      if (TidemarkError.is(error, errorCodes.cancelled)) return { state: 'closed', error };
      this.#options.log.log('warning', `the job ${this.#jobId} could not be asked for`, error);
      return { state: 'failed', error };
    }
  }

  /** Takes in what the job says of itself; its ending when it is over. */
  #note(job: Job): JobEnding | undefined {
    if (job.percent > this.#percent) {
      this.#percent = job.percent;
      if (this.#settleBy === undefined) this.#options.progress?.(job.percent);
    }
    const phase = jobPhase(job);
    if (phase !== 'running') return this.#ended(job, phase);
    const { clock, timing } = this.#options;
    if (this.#last?.percent !== job.percent || this.#last.jobState !== job.jobState) {
      this.#last = { percent: job.percent, jobState: job.jobState };
      this.#changedAt = clock.now();
    } else if (this.#settleBy === undefined && clock.now() - this.#changedAt >= timing.quietMs(job.jobType)) {
      this.#stall();
    }
    return undefined;
  }

  #ended(job: Job, phase: Exclude<JobPhase, 'running'>): JobEnding {
    if (phase === 'failed') return { state: 'failed', error: jobFailure(job, this.#options.name) };
    if (this.#percent < 100 && this.#settleBy === undefined) this.#options.progress?.(100);
    if (phase === 'completed') return { state: 'succeeded', warning: undefined };
    const words = job.errors.length > 0 ? job.errors.map(({ message }) => message).join(' ') : job.errorDescription;
    return { state: 'succeeded', warning: `Hyper-V completed it with a warning. ${oneLine(words, 1024)}`.trim() };
  }

  #stall(): void {
    const { clock, log, timing } = this.#options;
    log.log('warning', `the job ${this.#jobId} makes no progress at ${this.#percent} percent, and is cancelled`);
    this.#isStalled = true;
    this.cancel();
    this.#stopGrace = clock.after(timing.graceMs, () => this.#reportStuck('stuck'));
  }

  /** Terminate (4) and nothing after it: a killed job leaves more behind. Asked once, as soon as the job can be cancelled. */
  async #stop(job: Job): Promise<void> {
    if (this.#isStopAsked || !job.cancellable) return;
    try {
      const { returnValue } = await this.#powershell.invoke(stopJob, { JobId: this.#jobId }, { signal: this.#never });
      this.#isStopAsked = returnValue !== stopBusy;
    } catch (error) {
      this.#options.log.log('warning', `the job ${this.#jobId} could not be cancelled yet`, error);
    }
  }

  #unknown(why: string, cause?: unknown): JobEnding {
    const error = hypervError(
      errorCodes.outcomeUnknown,
      `Nobody knows whether Hyper-V could ${actionOf(this.#options.name).doing}: ${why}.`,
      { cause },
    );
    return { state: 'unknown', error };
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.#options.clock.after(ms, resolve);
    this.#wake = resolve;
    // Cancelled while the last question was on its way: the next one comes at once.
    try {
      await promise;
    } finally {
      stop();
      this.#wake = undefined;
    }
  }
}
