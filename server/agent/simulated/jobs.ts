/** Host jobs: they take time, report percent that never falls, and can be cancelled. */
import { throwIfAborted } from '../../protocol/errors.ts';
import { pause as waitFor, WorkProgress } from '../work-progress.ts';

/** Milliseconds of a job when nothing else is said: short, so that a backup of a small VM stays fast. */
const defaultJobMs = 40;
const maxJobMs = 3_600_000;
const steps = 4;

/** The job duration in milliseconds: as given, else `TIDEMARK_SIM_JOB_MS`, else 40. */
export function jobDuration(given: number | undefined): number {
  const wanted = given ?? Number(process.env['TIDEMARK_SIM_JOB_MS'] ?? defaultJobMs);
  return Number.isFinite(wanted) && wanted >= 0 ? Math.min(wanted, maxJobMs) : defaultJobMs;
}

/** One kind of work within a job. */
export class JobProgress extends WorkProgress {
  /** Lets `milliseconds` pass while the percentage rises to `to`. Throws when cancelled. */
  async elapse(milliseconds: number, to: number): Promise<void> {
    const from = Math.max(0, this.percent);
    for (let step = 1; step <= steps; step++) {
      await pause(milliseconds / steps, this.signal);
      this.report(from + ((to - from) * step) / steps);
    }
  }
}

/** Waits; throws the cancellation error as soon as `signal` is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0) throwIfAborted(signal);
  else await waitFor(milliseconds, signal);
}
