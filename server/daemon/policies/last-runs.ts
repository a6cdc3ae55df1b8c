/** The newest run of each policy, as lists show it. */
import type { AppliedPolicy, RunInfo } from '../../protocol/daemon.ts';

type LastRun = NonNullable<AppliedPolicy['lastRun']>;

/** Reads a run from the history once; from then on it is told of changes. */
export class LastRuns {
  readonly #read: (policy: string) => RunInfo | undefined;
  readonly #known = new Map<string, LastRun | undefined>();

  /** `read` gives the newest run of a policy from the history. */
  constructor(read: (policy: string) => RunInfo | undefined) {
    this.#read = read;
  }

  of(policy: string): LastRun | undefined {
    if (this.#known.has(policy)) return this.#known.get(policy);
    const run = this.#read(policy);
    const last = run === undefined ? undefined : lastRunOf(run);
    this.#known.set(policy, last);
    return last;
  }

  /** Takes in a change of a run. Gives the policy whose list entry changed: its run was queued, started or ended. */
  push(run: RunInfo): string | undefined {
    if (run.request.kind !== 'policy') return undefined;
    const { policy } = run.request;
    const wasKnown = this.#known.has(policy);
    const before = this.of(policy);
    if (before !== undefined && before.id > run.id) return undefined;
    this.#known.set(policy, lastRunOf(run));
    return wasKnown && before?.id === run.id && before.state === run.state ? undefined : policy;
  }
}

function lastRunOf(run: RunInfo): LastRun {
  const vms = run.outcome?.kind === 'policy' ? run.outcome.vms : [];
  return {
    id: run.id,
    state: run.state,
    ...(run.startedAt === undefined ? {} : { startedAt: run.startedAt }),
    ...(run.finishedAt === undefined ? {} : { finishedAt: run.finishedAt }),
    succeeded: vms.filter(({ result }) => result === 'succeeded').length,
    total: vms.length,
  };
}

/** When the run ended, if it backed up everything that its policy takes in. */
export function fullSuccess(run: RunInfo): string | undefined {
  // A run that failed may have found damage, or a host that does not say which VMs it has.
  if (run.state !== 'succeeded' || run.outcome?.kind !== 'policy' || run.finishedAt === undefined) return undefined;
  const { vms } = run.outcome;
  return vms.length > 0 && vms.every(({ result }) => result === 'succeeded') ? run.finishedAt : undefined;
}
