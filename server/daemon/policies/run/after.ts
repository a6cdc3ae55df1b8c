/** What follows the backups of a policy's run: verification, then retention, each as a run of its own. Nothing old goes before what is new was looked at. */
import { isoWeek } from '../../../policy/schedule/zoned.ts';
import { policyTimezone } from '../../../policy/index.ts';
import type { PolicyRunVm, RunInfo, RunOutcome, RunRequest } from '../../../protocol/daemon.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { RestorePointId, VmId } from '../../../protocol/ids.ts';
import type { StoredRestorePoint } from '../../../repository/index.ts';
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
  /** Restore points that the verification found damaged. */
  readonly #damaged = new Set<RestorePointId>();

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

  /** Checks what the policy says is to be checked now. */
  async verification(vms: readonly PolicyRunVm[]): Promise<PolicyOutcome['verification']> {
    const { policy } = this.#record;
    if (policy.verify === 'after-backup') {
      const points = vms.flatMap(({ restorePoint }) => restorePoint ?? []);
      return points.length === 0 ? undefined : this.#verify(points, true);
    }
    if (policy.verify !== 'weekly') return undefined;
    const { year, week } = isoWeek(policyTimezone(policy), this.#parts.clock.now());
    const label = `${year}-W${String(week).padStart(2, '0')} ${policy.repository}`;
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

  /**
   * Deletes what the retention does not keep, of the VMs that were backed up and whose restore points the verification did not find damaged: nothing
   * old goes when nothing good came, or when nobody could look. The rules are those of the version that is applied now: somebody may have
   * made them keep more meanwhile.
   */
  async retention(
    vms: readonly PolicyRunVm[],
    verification: PolicyOutcome['verification'],
  ): Promise<PolicyOutcome['retention']> {
    const { policy } = this.#record;
    if (policy.retention === undefined || !vms.some(({ result }) => result === 'succeeded')) return undefined;
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#context.log('info', `Retention: nothing is deleted, since ${refusal}.`);
      return undefined;
    }
    if (verification?.error !== undefined) {
      this.#context.warn('Retention: nothing is deleted, since the verification was not carried out.');
      return undefined;
    }
    const wanted = await this.#undamaged(vms);
    if (wanted.length === 0) return undefined;
    return this.#prune(wanted);
  }

  /** Why the policy has nothing to say any more of what this run's repository holds. */
  #refusal(): string | undefined {
    const { policy, name } = this.#record;
    const applied = this.#parts.policies.list().find((one) => one.name === name);
    if (applied === undefined) return 'the policy is not applied any more';
    if (applied.policy.repository !== policy.repository) return 'the policy stores in another repository now';
    return undefined;
  }

  async #prune(vms: readonly VmId[]): Promise<PolicyOutcome['retention']> {
    const { policy, name } = this.#record;
    const { outcome, error } = await this.#child({
      kind: 'prune',
      repository: policy.repository,
      policy: name,
      vms,
      dryRun: false,
    });
    const { removed, kept } = outcome?.kind === 'prune' ? outcome : { removed: [], kept: [] };
    if (error === undefined) {
      this.#context.log('info', `Retention: ${removed.length} restore points deleted, ${kept.length} kept.`);
      return { removed, kept: kept.length };
    }
    const far =
      removed.length === 0 ? 'carried out' : `carried out to its end; ${removed.length} restore points are deleted`;
    this.#context.warn(`The retention was not ${far}: ${error.message}`);
    return { removed, kept: kept.length, error };
  }

  /** The VMs that were backed up, without those of which the verification found a restore point damaged, the new one or another. */
  async #undamaged(vms: readonly PolicyRunVm[]): Promise<readonly VmId[]> {
    const backedUp = vms.filter(({ result }) => result === 'succeeded');
    const damaged = await this.#damagedVms(vms);
    for (const { vm } of damaged === undefined ? backedUp : backedUp.filter(({ vmId }) => damaged.has(vmId))) {
      this.#context.warn(`Retention: nothing of ${vm} is deleted, since damage was found.`);
    }
    return backedUp.flatMap(({ vmId }) => (damaged === undefined || damaged.has(vmId) ? [] : [vmId]));
  }

  /** Undefined when it cannot be told of each restore point that is damaged whose it is. */
  async #damagedVms(vms: readonly PolicyRunVm[]): Promise<ReadonlySet<VmId> | undefined> {
    if (this.#damaged.size === 0) return new Set();
    const vmOf = new Map<RestorePointId, VmId>();
    for (const { restorePoint, vmId } of vms) if (restorePoint !== undefined) vmOf.set(restorePoint, vmId);
    if ([...this.#damaged].some((id) => !vmOf.has(id))) {
      try {
        for (const { id, vmId } of await this.#storedPoints()) vmOf.set(id, vmId);
      } catch (error) {
        throwIfAborted(this.#context.signal);
        this.#context.log('warning', 'Whose restore points are damaged cannot be told.', error);
      }
    }
    const damaged = [...this.#damaged].map((id) => vmOf.get(id));
    const known = damaged.filter((vm) => vm !== undefined);
    return known.length === damaged.length ? new Set(known) : undefined;
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
      for (const { restorePoints: hit } of outcome.problems) for (const point of hit) this.#damaged.add(point);
      this.#context.log('info', `Verification: ${outcome.restorePoints} restore points, ${problems} problems.`);
      return { ...(id === undefined ? {} : { run: id }), restorePoints: outcome.restorePoints, problems };
    }
    this.#context.warn(`The verification was not carried out: ${error?.message ?? ''}`);
    return { ...(id === undefined ? {} : { run: id }), restorePoints: 0, problems: 0, error };
  }

  /** The newest restore point of each VM that the policy made, also of a VM whose backup failed this time. */
  async #newestPoints(vms: readonly PolicyRunVm[]): Promise<readonly RestorePointId[]> {
    // Oldest first, so that the newest stays.
    const newest = new Map<string, RestorePointId>();
    for (const { vmId, id, policy } of await this.#storedPoints())
      if (policy === this.#record.name) newest.set(vmId, id);
    return vms.flatMap(({ vmId }) => newest.get(vmId) ?? []);
  }

  async #storedPoints(): Promise<readonly StoredRestorePoint[]> {
    const { signal } = this.#context;
    const repository = await this.#services.repositories.open(this.#record.policy.repository, signal);
    return (await repository.listRestorePoints(signal)).points;
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
