/**
 * The run of a policy: a backup of each of its VMs, then its verification, then its retention, each as a run of its own. It goes on with the version
 * that was applied when it began. That a VM fails stops no other.
 */
import { policyTimezone } from '../../../policy/index.ts';
import { nextRuns } from '../../../policy/schedule/runs.ts';
import { isOpen } from '../../../policy/schedule/window.ts';
import type { BackupRequest, PolicyRequest, PolicyRunVm, RunOutcome } from '../../../protocol/daemon.ts';
import { cancelledError, errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { StoredRestorePoint } from '../../../repository/index.ts';
import { FailedWithOutcome } from '../../runs/context.ts';
import type { RunContext, RunExecutor, RunServices } from '../../runs/context.ts';
import { maxBackupsPerHost, maxRunning } from '../../runs/conflicts.ts';
import { waitFor } from '../../schedule/clock.ts';
import type { PolicyRecord } from '../api.ts';
import { AfterBackups } from './after.ts';
import { Lanes } from './lanes.ts';
import type { PolicyRunParts } from './parts.ts';
import { PolicyProgress } from './progress.ts';
import { targetsOf } from './targets.ts';
import type { Target, Targets } from './targets.ts';
import { backUpVm } from './vm-backup.ts';
import { verdict } from './verdict.ts';

/** What a policy leaves open. */
const defaultRetries = 3;
const defaultRetryDelayMs = 10 * 60_000;
/** VMs in one run; see `runOutcome` in protocol/daemon. */
const maxVms = 16_384;

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

/** Carries out runs of policies with these parts. */
export function policyExecutor(parts: PolicyRunParts): RunExecutor<PolicyRequest> {
  return async (request, context, services) => {
    // Policies are replaced, never changed: what is read here stays as it is.
    const record = parts.policies.get(request.policy);
    return new PolicyRun(request, record, context, services, parts).run();
  };
}

class PolicyRun {
  readonly #request: PolicyRequest;
  readonly #record: PolicyRecord;
  readonly #context: RunContext;
  readonly #services: RunServices;
  readonly #parts: PolicyRunParts;

  constructor(
    request: PolicyRequest,
    record: PolicyRecord,
    context: RunContext,
    services: RunServices,
    parts: PolicyRunParts,
  ) {
    this.#request = request;
    this.#record = record;
    this.#context = context;
    this.#services = services;
    this.#parts = parts;
  }

  async run(): Promise<RunOutcome> {
    const { name, version } = this.#record;
    const { signal } = this.#context;
    this.#explainTrigger();
    this.#context.phase('connecting');
    const targets = await this.#targets();
    this.#context.log('info', `Policy ${name}, version ${version.version}: ${count(targets.vms.length, 'VM')}.`);
    this.#context.phase('transfer');
    let outcome: PolicyOutcome = {
      kind: 'policy',
      policy: name,
      version: version.version,
      vms: await this.#backUp(targets.vms),
    };
    try {
      const after = new AfterBackups(this.#record, this.#context, this.#services, this.#parts);
      this.#context.phase('verifying');
      const verification = await after.verification(outcome.vms);
      outcome = { ...outcome, ...defined({ verification }) };
      this.#context.phase('collecting');
      outcome = { ...outcome, ...defined({ retention: await after.retention(outcome.vms, verification) }) };
    } catch (error) {
      throw new FailedWithOutcome(signal.aborted ? reasonOf(signal) : TidemarkError.from(error), outcome);
    }
    const failure = signal.aborted ? reasonOf(signal) : verdict(outcome, targets, this.#context);
    if (failure === undefined) return outcome;
    throw new FailedWithOutcome(failure, outcome);
  }

  #explainTrigger(): void {
    const { trigger, scheduledFor, missed = [] } = this.#request;
    if (scheduledFor !== undefined) this.#context.log('info', `It was due at ${scheduledFor}.`);
    if (missed.length > 0) this.#context.log('info', `It stands for runs that were missed: ${missed.join(', ')}.`);
    if (trigger === 'missed') {
      this.#context.log('info', 'It came due while the daemon was not there, or was interrupted by its end.');
    }
  }

  async #targets(): Promise<Targets> {
    const { signal } = this.#context;
    // Hosts are asked now; of those that do not answer, the VMs that they had are listed as well.
    const listing = await this.#parts.inventory.list({ maxAgeMs: 0 }, signal);
    throwIfAborted(signal);
    for (const { host, error } of listing.unreachable) {
      this.#context.log('warning', `Host ${host} does not answer: ${error.message}`);
    }
    const points = listing.unreachable.length === 0 ? [] : await this.#knownPoints();
    const targets = targetsOf(this.#record.policy, listing, points);
    for (const text of [...targets.missing, ...targets.doubles]) this.#context.warn(text);
    if (targets.vms.length > maxVms) {
      throw new TidemarkError(
        errorCodes.policyRunFailed,
        `The policy takes in ${targets.vms.length} VMs, more than ${maxVms}.`,
        { hint: 'Make several policies of it.' },
      );
    }
    return targets;
  }

  async #knownPoints(): Promise<readonly StoredRestorePoint[]> {
    const { signal } = this.#context;
    try {
      const repository = await this.#services.repositories.open(this.#record.policy.repository, signal);
      return (await repository.listRestorePoints(signal)).points;
    } catch (error) {
      throwIfAborted(signal);
      this.#context.log('warning', 'The VMs of hosts that do not answer are not known from restore points.', error);
      return [];
    }
  }

  async #backUp(targets: readonly Target[]): Promise<readonly PolicyRunVm[]> {
    const { policy } = this.#record;
    const { runs } = this.#parts;
    const { total = maxRunning, perHost = maxBackupsPerHost } = policy.concurrency ?? {};
    const nameOf = ({ host, name }: Target): string => `${host}/${name}`;
    const vms = targets.map((target) => ({ id: target.id, host: target.host, label: nameOf(target) }));
    const progress = new PolicyProgress(this.#context, vms);
    const following = runs.onChange((run) => progress.push(run));
    const options = {
      context: this.#context,
      runs,
      lanes: new Lanes(total, perHost),
      overlap: policy.overlap ?? 'wait',
      retries: policy.retry?.attempts ?? defaultRetries,
      beforeRetry: async (attempt: number) => this.#waitForRetry(attempt),
      onStart: (run: Parameters<typeof progress.follow>[0], target: Target) => progress.follow(run, target.id),
    };
    let done = 0;
    const backUp = async (target: Target): Promise<PolicyRunVm> => {
      const vm = await backUpVm(target, this.#backupOf(target), options);
      done += 1;
      this.#context.log('info', `${nameOf(target)}: ${vm.result}. ${done} of ${count(targets.length, 'VM')} done.`);
      return vm;
    };
    try {
      return await Promise.all(targets.map(backUp));
    } finally {
      following[Symbol.dispose]();
    }
  }

  #backupOf({ host, id, name: vmName }: Target): BackupRequest {
    const { policy, name } = this.#record;
    const { threads, bandwidth } = policy.export ?? {};
    return {
      kind: 'backup',
      host,
      vm: id,
      vmName,
      repository: policy.repository,
      type: this.#request.type ?? 'incremental',
      consistency: policy.consistency ?? 'application-or-crash',
      excludeDisks: policy.disks?.exclude ?? [],
      policy: name,
      ...defined({ threads, bandwidth }),
    };
  }

  /** Twice as long before each further attempt. A run that somebody started by hand has no window. */
  async #waitForRetry(attempt: number): Promise<string | undefined> {
    const { policy } = this.#record;
    const { clock } = this.#parts;
    const delay = (policy.retry?.delay ?? defaultRetryDelayMs) * 2 ** (attempt - 2);
    const isOutside = (at: number): boolean =>
      this.#request.trigger !== 'manual' &&
      policy.window !== undefined &&
      !isOpen(policy.window, policyTimezone(policy), at);
    const closed = 'the window would be closed by then';
    const at = clock.now() + delay;
    if (isOutside(at)) return closed;
    // One VM that cannot be backed up must not keep the next run of all the others from beginning.
    if (at >= this.#nextRunAt()) return 'the next run begins before that';
    this.#context.log('info', `Attempt ${attempt} begins at ${new Date(at).toISOString()}.`);
    await waitFor(clock, delay, this.#context.signal);
    // The clock may have been set meanwhile.
    return isOutside(clock.now()) ? closed : undefined;
  }

  /** When the policy runs next by schedule, ms since 1970. */
  #nextRunAt(): number {
    const { policies, clock } = this.#parts;
    const applied = policies.list().find(({ name }) => name === this.#record.name);
    if (applied === undefined || applied.paused !== undefined) return Infinity;
    return nextRuns(applied.policy, clock.now(), 1)[0]?.at ?? Infinity;
  }
}

function reasonOf(signal: AbortSignal): TidemarkError {
  return TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Without the keys that have no value. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys, without the undefined ones
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
