/** Runs of a schedule that do not happen are recorded like others: whoever looks at the runs, or is notified, learns of them. */
import type { Logger } from '../../base/log.ts';
import type { RunInfo, RunRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { WaitingRun } from '../store/schedule-store.ts';

/** What keeps the record. */
export interface LeftOutRuns {
  leaveOut(request: RunRequest, reason: TidemarkError): RunInfo;
}

/** Records runs that are left out. */
export class LeftOut {
  readonly #runs: LeftOutRuns;
  readonly #log: Logger;
  /** The run that was last in the way of a policy's own: what comes due while it is active is recorded once. */
  readonly #inTheWay = new Map<string, string>();

  constructor(runs: LeftOutRuns, log: Logger) {
    this.#runs = runs;
    this.#log = log;
  }

  /** A run that is due while another of the policy is active, and the policy says to skip it. */
  because(policy: string, run: WaitingRun, active: Pick<RunInfo, 'id' | 'title'>): void {
    const message = `The run that was due at ${run.scheduledFor} is left out: run ${active.id} (${active.title}) is active.`;
    if (this.#inTheWay.get(policy) === active.id) {
      this.#log.log('warning', `Schedule of policy ${policy}: ${message}`);
      return;
    }
    this.#inTheWay.set(policy, active.id);
    this.#record(policy, run, message);
  }

  /** Runs that were missed or interrupted while the daemon was not there, and that are not made up for. */
  missed(policy: string, run: Pick<WaitingRun, 'type' | 'scheduledFor'>, why: string): void {
    this.#record(policy, run, why);
  }

  /** Forgets policies that are gone. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#inTheWay.keys()) if (!names.has(name)) this.#inTheWay.delete(name);
  }

  /** The record is for people: that it cannot be kept stops no schedule. */
  #record(policy: string, { type, scheduledFor }: Pick<WaitingRun, 'type' | 'scheduledFor'>, message: string): void {
    try {
      const reason = new TidemarkError(errorCodes.policyRunLeftOut, message, {
        hint: `Start it by hand if it is wanted: tidemark backup run ${policy}`,
      });
      this.#runs.leaveOut({ kind: 'policy', policy, type, trigger: 'schedule', scheduledFor }, reason);
    } catch (error) {
      this.#log.log('error', `Schedule of policy ${policy}: ${message} It could not be recorded.`, error);
    }
  }
}

/** Whether the run is the record of one that did not happen. */
export function isLeftOut(run: Pick<RunInfo, 'error'>): boolean {
  return run.error?.code === errorCodes.policyRunLeftOut;
}
