/** Waiting for the end of what Hyper-V does, and for what it shows only a little later. */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import { settle } from '../calls/calls.ts';
import type { Started } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { retryable } from '../failures/errors.ts';
import { Polling } from '../polling.ts';

/**
 * Waits until a job is done. When `cancelled` is aborted Hyper-V is asked to end the job, which is waited for all the same: what it leaves
 * can be told only then. Throws what the job failed with, or the cancellation.
 */
export async function finish(
  core: Core,
  outcome: Started,
  cancelled: AbortSignal,
  progress: (percent: number) => void,
): Promise<void> {
  const { calls, background, log } = core;
  try {
    await calls.finish(outcome, { signal: AbortSignal.any([cancelled, background.ended]), progress });
  } catch (error) {
    if (cancelled.aborted && !background.ended.aborted) await settle(calls, log, outcome);
    throw error;
  }
}

/**
 * Asks Hyper-V to begin something. While it refuses because the VM is in the middle of something else, which passes, it is asked again for
 * a while. Throws the last refusal.
 */
export async function whenFree<T>(core: Core, cancelled: AbortSignal, ask: () => Promise<T>): Promise<T> {
  const { timing, background } = core;
  const deadline = performance.now() + timing.busyMs;
  const polling = new Polling(timing.pollMs);
  const wanted = AbortSignal.any([cancelled, background.ended]);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const refused = TidemarkError.is(error, errorCodes.vmOperationRunning) && retryable(error);
      if (!refused || performance.now() >= deadline) throw error;
    }
    await polling.pause(wanted);
  }
}

/** What `look` finds, asked again for a while; undefined when it stays away. */
export async function untilSeen<T>(core: Core, look: () => Promise<T | undefined>): Promise<T | undefined> {
  const { timing, background } = core;
  const deadline = performance.now() + timing.visibleMs;
  const polling = new Polling(timing.pollMs);
  for (;;) {
    const found = await look();
    if (found !== undefined || performance.now() >= deadline) return found;
    await polling.pause(background.ended);
  }
}
