/** Why runs end or do not begin, in the words that users see. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ActiveRun, RunEnd } from './active-run.ts';
import { FailedWithOutcome } from './context.ts';
import { whatNow } from './interruption.ts';

/** How a run ends that threw: a cancelled run is cancelled whatever it threw on its way out. */
export function failureOf(run: ActiveRun, error: unknown): RunEnd {
  const failure = TidemarkError.from(error);
  const outcome = error instanceof FailedWithOutcome ? { outcome: error.outcome } : {};
  if (!run.signal.aborted) {
    run.log('error', failure.message, error);
    return { state: 'failed', error: failure.report(), ...outcome };
  }
  const reason = TidemarkError.from(run.signal.reason);
  if (failure !== reason && failure.code !== reason.code && failure.code !== errorCodes.cancelled) {
    run.log('warning', `While the run was being cancelled: ${failure.message}`, error);
  }
  if (reason.code !== errorCodes.runInterrupted) return { state: 'cancelled', error: reason.report(), ...outcome };
  return { state: 'interrupted', error: { ...reason.report(), hint: whatNow(run) }, ...outcome };
}

/** The error of a run whose VM another one has. */
export function vmTaken(other: ActiveRun): TidemarkError {
  return new TidemarkError(
    errorCodes.vmAlreadyRunning,
    `Run ${other.id} (${other.title}) is backing up this VM already.`,
    {
      hint: `Follow it with: tidemark run watch ${other.id}`,
    },
  );
}

/** The error of a run of a policy that another run of the policy is in the way of. */
export function policyTaken(other: ActiveRun): TidemarkError {
  return new TidemarkError(errorCodes.policyActive, `Run ${other.id} (${other.title}) is active.`, {
    hint: `Follow it with: tidemark run watch ${other.id}`,
  });
}

/** Why runs end when the daemon does: they count as interrupted. */
export function stoppingError(): TidemarkError {
  return new TidemarkError(errorCodes.runInterrupted, 'The daemon is stopping.', {
    hint: 'Start the run again when the daemon is up. Runs by schedule are caught up by themselves.',
  });
}
