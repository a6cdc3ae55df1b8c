/** Waiting for jobs of Hyper-V: short questions, one after the other, until the job is really over. */
import type { Logger } from '../../../base/log.ts';
import { errorCodes, throwIfAborted } from '../../../protocol/errors.ts';
import type { TidemarkError } from '../../../protocol/errors.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import type { Started } from '../commands/started.ts';
import { hypervError } from '../failures/errors.ts';
import { actionOf } from '../failures/actions.ts';
import { JobWatch } from './job-watch.ts';
import type { JobEnding } from './job-watch.ts';
import { jobTiming } from './job-timing.ts';
import type { JobTiming } from './job-timing.ts';
import type { PowerShell } from '../powershell/powershell.ts';

export type { JobEnding } from './job-watch.ts';

/** What waiting for a job needs. */
export interface JobWait {
  /** The function that started the job; it gives the errors their words. */
  readonly name: string;
  /** Aborted: the job is cancelled on the host, and the call throws at once. */
  readonly signal: AbortSignal;
  /** Ends the watching itself, and leaves the job alone: for the end of the agent. */
  readonly lifetime?: AbortSignal | undefined;
  /** 0 to 100, never falling. */
  readonly progress?: ((percent: number) => void) | undefined;
  /**
   * Called once, before the call throws, when it throws although the job goes on: after an abort, and for a job that is stuck and
   * does not end when it is cancelled. The promise never rejects; it tells how the job ended after all, so that what it made can be removed.
   */
  readonly abandoned?: ((ending: Promise<JobEnding>) => void) | undefined;
  readonly timing?: Partial<JobTiming> | undefined;
  readonly clock?: Clock | undefined;
  readonly log: Logger;
}

/**
 * Waits until the job is over. Gives the warning of one that was completed with a warning.
 *
 * Throws what `jobFailure` makes of a job that failed; `TM2209` when it vanished, or could not be asked for too long: the caller
 * must then read the world; `TM2208` when it made no progress and was cancelled; the reason of an abort at once.
 */
export async function waitForJob(powershell: PowerShell, started: Started, wait: JobWait): Promise<string | undefined> {
  const { signal, clock = systemClock } = wait;
  if (started.state === 'done') {
    wait.progress?.(100);
    return undefined;
  }
  const watch = new JobWatch(powershell, started.jobId, {
    name: wait.name,
    lifetime: wait.lifetime,
    progress: wait.progress,
    timing: { ...jobTiming, ...wait.timing },
    clock,
    log: wait.log,
  });
  const ending = watch.run();
  const { promise: left, resolve: leave } = Promise.withResolvers<'left'>();
  const onAbort = (): void => {
    watch.cancel();
    leave('left');
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    const first = await Promise.race([ending, watch.stuck, left]);
    // A job that ended in the same moment has its result: whoever was cancelled must know what it made.
    if (first !== 'left' && first !== 'stuck') return resultOf(first, watch.isStalled, wait.name);
    wait.abandoned?.(ending);
    throwIfAborted(signal);
    throw stalledError(wait.name);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function resultOf(ending: JobEnding, isStalled: boolean, name: string): string | undefined {
  if (ending.state === 'succeeded') return ending.warning;
  throw ending.state === 'failed' && isStalled ? stalledError(name, ending.error) : ending.error;
}

function stalledError(name: string, cause?: TidemarkError): TidemarkError {
  return hypervError(
    errorCodes.operationStalled,
    `Hyper-V could not ${actionOf(name).doing}: it made no progress for too long, and was cancelled.`,
    { cause },
  );
}
