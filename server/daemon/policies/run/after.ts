/** What follows the backups of a policy's run: retention and verification, each as a run of its own. */
import { isoWeek } from '../../../policy/schedule/zoned.ts';
import { policyTimezone } from '../../../policy/index.ts';
import type { PolicyRunVm, RunInfo, RunOutcome, RunRequest } from '../../../protocol/daemon.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { RestorePointId } from '../../../protocol/ids.ts';
import type { RunContext, RunServices } from '../../runs/context.ts';
import type { PolicyRecord } from '../api.ts';
import type { PolicyRunParts } from './parts.ts';
import { endOf } from './vm-backup.ts';

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

/** Restore points in one verification, at most; see `verifyRequest` in protocol/daemon. */
const maxVerified = 16_384;

/** Runs what follows; the results go into the outcome. */
export class AfterBackups {
  readonly #record: PolicyRecord;
  readonly #context: RunContext;
  readonly #services: Pick<RunServices, 'repositories'>;
  readonly #parts: PolicyRunParts;

  constructor(
    record: PolicyRecord,
    context: RunContext,
    services: Pick<RunServices, 'repositories'>,
    parts: PolicyRunParts,
  ) {
    this.#record = record;
    this.#context = context;
    this.#services = services;
    this.#parts = parts;
  }

  /**
   * Deletes what the retention does not keep, of the VMs that were backed up: nothing old goes when nothing new came. The rules are those of the
   * version that is applied now: somebody may have made them keep more meanwhile.
   */
  async retention(vms: readonly PolicyRunVm[]): Promise<PolicyOutcome['retention']> {
    const { policy, name } = this.#record;
    const succeeded = vms.filter(({ result }) => result === 'succeeded').map(({ vmId }) => vmId);
    if (policy.retention === undefined || succeeded.length === 0) return undefined;
    if (!this.#parts.policies.list().some((one) => one.name === name)) {
      this.#context.log('info', 'Retention: nothing is deleted, since the policy is not applied any more.');
      return undefined;
    }
    const run = await this.#child({
      kind: 'prune',
      repository: policy.repository,
      policy: name,
      vms: succeeded,
      dryRun: false,
    });
    if (run.outcome?.kind === 'prune') {
      const { removed, kept } = run.outcome;
      this.#context.log('info', `Retention: ${removed.length} restore points deleted, ${kept.length} kept.`);
      return { removed, kept: kept.length };
    }
    this.#context.warn(`The retention was not carried out: ${run.error?.message ?? ''}`);
    return { removed: [], kept: 0, error: run.error };
  }

  /** Checks what the policy says is to be checked now. */
  async verification(vms: readonly PolicyRunVm[]): Promise<PolicyOutcome['verification']> {
    const { policy } = this.#record;
    if (policy.verify === 'after-backup') {
      const points = vms.flatMap(({ restorePoint }) => restorePoint ?? []);
      return points.length === 0 ? undefined : this.#verify(points, true);
    }
    if (policy.verify !== 'weekly') return undefined;
    const { year, week } = isoWeek(policyTimezone(policy), this.#parts.clock.now());
    const label = `${year}-W${String(week).padStart(2, '0')}`;
    if (this.#parts.schedule.verifiedWeek(this.#record.name) === label) return undefined;
    let result: PolicyOutcome['verification'];
    try {
      const points = await this.#newestPoints(vms);
      if (points.length === 0) return undefined;
      result = await this.#verify(points, false);
    } catch (error) {
      throwIfAborted(this.#context.signal);
      const report = TidemarkError.from(error).report();
      this.#context.warn(`The verification was not carried out: ${report.message}`);
      return { restorePoints: 0, problems: 0, error: report };
    }
    if (result?.error === undefined) this.#parts.schedule.setVerifiedWeek(this.#record.name, label);
    return result;
  }

  async #verify(points: readonly RestorePointId[], newOnly: boolean): Promise<PolicyOutcome['verification']> {
    const restorePoints = points.slice(0, maxVerified);
    if (points.length > maxVerified) {
      this.#context.warn(`Only ${maxVerified} of ${points.length} restore points are verified.`);
    }
    const { repository } = this.#record.policy;
    const run = await this.#child({
      kind: 'verify',
      repository,
      readData: true,
      restorePoints,
      ...(newOnly ? { newOnly } : {}),
    });
    const { outcome, id, error } = run;
    if (outcome?.kind === 'verify') {
      const problems = outcome.problems.length;
      this.#context.log('info', `Verification: ${outcome.restorePoints} restore points, ${problems} problems.`);
      return { ...(id === undefined ? {} : { run: id }), restorePoints: outcome.restorePoints, problems };
    }
    this.#context.warn(`The verification was not carried out: ${error?.message ?? ''}`);
    return { ...(id === undefined ? {} : { run: id }), restorePoints: 0, problems: 0, error };
  }

  /** The newest restore point of each VM that the policy made, also of a VM whose backup failed this time. */
  async #newestPoints(vms: readonly PolicyRunVm[]): Promise<readonly RestorePointId[]> {
    const { signal } = this.#context;
    const repository = await this.#services.repositories.open(this.#record.policy.repository, signal);
    const { points } = await repository.listRestorePoints(signal);
    // Oldest first, so that the newest stays.
    const newest = new Map<string, RestorePointId>();
    for (const { vmId, id, policy } of points) if (policy === this.#record.name) newest.set(vmId, id);
    return vms.flatMap(({ vmId }) => newest.get(vmId) ?? []);
  }

  /** A run of its own, to its end, however it ends. One that cannot even begin has an error only. */
  async #child(request: RunRequest): Promise<Partial<Pick<RunInfo, 'id' | 'outcome' | 'error'>>> {
    const { runs } = this.#parts;
    const { signal, id: parent } = this.#context;
    throwIfAborted(signal);
    try {
      const { id } = runs.start(request, undefined, parent);
      return await endOf(id, runs, signal);
    } catch (error) {
      return { error: TidemarkError.from(error).report() };
    } finally {
      throwIfAborted(signal);
    }
  }
}
