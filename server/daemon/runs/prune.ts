/** Prune runs: delete the old restore points of each VM. Their data goes with the next garbage collections. */
import { failpoint } from '../../base/failpoint.ts';
import type { PruneRequest, RunOutcome } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import type { Repository, StoredRestorePoint } from '../../repository/index.ts';
import type { ActivePolicy, Policies } from '../policies/api.ts';
import { boundDecisions, maxDecisions } from '../policies/retention.ts';
import { FailedWithOutcome } from './context.ts';
import type { RunContext, RunServices } from './context.ts';
import { planByCount, planByPolicies } from './prune-plan.ts';
import type { PrunePlan, PruneSource, Removal } from './prune-plan.ts';

/**
 * Keeps the newest `keepLast` restore points of each VM, or without it what the retention of the applied policies says. Restore points that
 * cannot be read are left alone. Throws `TM7002` when the policy that is asked for is not applied, and `TM1001` for a count together with
 * a policy, whose rules do not go by it, and for a policy that stores in another repository, whose rules are not meant for this one. What was
 * deleted before it failed is in the outcome that comes with the error.
 */
export async function executePrune(
  request: PruneRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  const { signal } = context;
  if (request.keepLast !== undefined && request.policy !== undefined) {
    throw new TidemarkError(
      errorCodes.invalidInput,
      'A prune keeps a number of restore points, or what a policy says.',
      {
        hint: 'Leave out one of the two.',
      },
    );
  }
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, signal);
  context.phase('collecting');
  // Another daemon may have found damage meanwhile.
  await repository.refresh(signal);
  const { points, damaged } = await repository.listRestorePoints(signal);
  for (const { file, error } of damaged) {
    context.warn(`Restore point file ${file} cannot be read and was left alone: ${TidemarkError.from(error).message}`);
  }
  const pins = await repository.pins(signal);
  const plan = await planOf(request, { repository, points, pins, owner: services.owner, context }, services);
  const removed = new Set<RestorePointId>();
  try {
    for (const removal of plan.remove) {
      throwIfAborted(signal);
      if (await remove(removal, request, repository, context, services.policies)) removed.add(removal.point.id);
    }
  } catch (error) {
    throw new FailedWithOutcome(TidemarkError.from(error), outcomeOf(request, plan, removed, context));
  }
  return outcomeOf(request, plan, removed, context);
}

function outcomeOf(
  request: PruneRequest,
  plan: PrunePlan,
  removed: ReadonlySet<RestorePointId>,
  context: RunContext,
): RunOutcome {
  const spared = plan.remove.flatMap(({ point }) => (removed.has(point.id) ? [] : [point.id]));
  // Runs of policies ask for their VMs, every hour perhaps, and each outcome is kept: of those, what stays needs no words.
  const decisions = request.vms === undefined ? plan.decisions : plan.decisions.filter(({ keep }) => !keep);
  return {
    kind: 'prune',
    kept: [...plan.keep.map(({ id }) => id), ...spared],
    removed: [...removed],
    dryRun: request.dryRun,
    decisions: shownOf(decisions, context),
  };
}

async function planOf(request: PruneRequest, source: PruneSource, { policies, now }: RunServices): Promise<PrunePlan> {
  if (request.keepLast !== undefined) return planByCount(source, request.keepLast, request.vms);
  const wanted =
    request.policy === undefined
      ? policies.list().filter(({ policy }) => policy.repository === request.repository)
      : [storingHere(policies.get(request.policy), request.repository)];
  return planByPolicies(source, wanted, request.vms, now());
}

/** What a policy stored in another repository before is kept there: its rules count what it stores now. */
function storingHere(policy: ActivePolicy, repository: string): ActivePolicy {
  if (policy.policy.repository === repository) return policy;
  throw new TidemarkError(
    errorCodes.invalidInput,
    `Policy ${policy.name} stores in repository ${policy.policy.repository}, not in ${repository}.`,
    { hint: `What it made in ${repository} before stays until somebody deletes it.` },
  );
}

/** Deletes one restore point, or says that it would. False when it stays after all. */
async function remove(
  { point, policy }: Removal,
  request: PruneRequest,
  repository: Repository,
  context: RunContext,
  policies: RunServices['policies'],
): Promise<boolean> {
  const what = `restore point ${point.id} of ${point.vmName}, ${point.createdAt}`;
  if (policy !== undefined && !isStillApplied(policy, policies)) {
    context.warn(`Policy ${policy.name} was changed meanwhile, so ${what} stays until its retention runs again.`);
    return false;
  }
  if (!request.dryRun && !(await deletePoint(repository, point, context))) return false;
  context.log('info', request.dryRun ? `Would delete ${what}.` : `Deleted ${what}.`);
  failpoint('prune.deleted');
  return true;
}

function isStillApplied(policy: ActivePolicy, policies: Pick<Policies, 'list'>): boolean {
  return policies
    .list()
    .some(({ name, version }) => name === policy.name && version.version === policy.version.version);
}

/** False when somebody pinned it meanwhile. */
async function deletePoint(repository: Repository, point: StoredRestorePoint, context: RunContext): Promise<boolean> {
  try {
    await repository.deleteRestorePoint(point.id, context.signal);
    return true;
  } catch (error) {
    // Somebody else was faster.
    if (TidemarkError.is(error, errorCodes.restorePointNotFound)) return true;
    if (!TidemarkError.is(error, errorCodes.restorePointProtected)) throw error;
    context.log('info', `Restore point ${point.id} of ${point.vmName} was pinned meanwhile and stays.`);
    return false;
  }
}

function shownOf(decisions: PrunePlan['decisions'], context: RunContext): PrunePlan['decisions'] {
  if (decisions.length <= maxDecisions) return decisions;
  context.warn(`Only ${maxDecisions} of ${decisions.length} decisions are shown.`);
  return boundDecisions(decisions);
}
