/** Which restore points of a repository a prune keeps and which it deletes. */
import { throwIfAborted } from '../../protocol/errors.ts';
import type { PruneRequest, RetentionDecision } from '../../protocol/daemon.ts';
import type { OwnerId, RestorePointId } from '../../protocol/ids.ts';
import type { Repository, StoredRestorePoint } from '../../repository/index.ts';
import type { ActivePolicy } from '../policies/api.ts';
import { decideVm, ownSeries, retentionDecision } from '../policies/retention.ts';
import type { PointDecision } from '../policies/retention.ts';
import type { RunContext } from './context.ts';
import { isKnownDamaged, isWhole } from './restore-point-health.ts';

/** A restore point that is to go. */
export interface Removal {
  readonly point: StoredRestorePoint;
  /** The version of the policy whose rules say so; undefined when it is asked for by number. */
  readonly policy: ActivePolicy | undefined;
}

/** What stays and what goes. */
export interface PrunePlan {
  readonly keep: readonly StoredRestorePoint[];
  /** Of each VM oldest first. */
  readonly remove: readonly Removal[];
  readonly decisions: readonly RetentionDecision[];
}

/** Why old ones stay where nothing would be left to restore from. */
const noneWhole = 'no restore point is whole';

/** A repository as it is pruned. */
export interface PruneSource {
  readonly repository: Repository;
  readonly points: readonly StoredRestorePoint[];
  readonly pins: ReadonlyMap<RestorePointId, unknown>;
  /** This daemon. */
  readonly owner: OwnerId;
  readonly context: Pick<RunContext, 'signal' | 'log' | 'warn'>;
}

/**
 * Keeps the newest `keepLast` restore points of each VM and, besides them, those that are pinned and the newest one whose data is all
 * there: what is kept must be of use.
 */
export async function planByCount(source: PruneSource, keepLast: number, vms: PruneRequest['vms']): Promise<PrunePlan> {
  const keep: StoredRestorePoint[] = [];
  const remove: Removal[] = [];
  const decisions: RetentionDecision[] = [];
  for (const newestFirst of byVm(source.points.filter(isOfThese(vms)))) {
    const decided = await decideByCount(newestFirst, keepLast, source);
    decisions.push(...decided.map(retentionDecision));
    for (const { point, keep: stays } of decided) if (stays) keep.push(point);
    for (const { point, keep: stays } of decided.toReversed()) if (!stays) remove.push({ point, policy: undefined });
  }
  return { keep, remove, decisions };
}

async function decideByCount(
  newestFirst: readonly StoredRestorePoint[],
  keepLast: number,
  source: PruneSource,
): Promise<readonly PointDecision<StoredRestorePoint>[]> {
  const old = new Set(newestFirst.slice(keepLast).filter(({ id }) => !source.pins.has(id)));
  const best = old.size === 0 ? undefined : await newestWhole(newestFirst, source);
  if (old.size > 0 && best === undefined) warnOfNone(newestFirst[0], source);
  return newestFirst.map((point, index) => {
    if (index < keepLast) return { point, keep: true, reasons: [`last ${index + 1} of ${keepLast}`] };
    if (source.pins.has(point.id)) return { point, keep: true, reasons: ['pinned'] };
    if (best === undefined) return { point, keep: true, reasons: [noneWhole] };
    if (point === best) return { point, keep: true, reasons: ['the newest good one'] };
    return { point, keep: false, reasons: [`older than the last ${keepLast}`] };
  });
}

async function newestWhole(
  newestFirst: readonly StoredRestorePoint[],
  { repository, context }: PruneSource,
): Promise<StoredRestorePoint | undefined> {
  for (const point of newestFirst) if (await isWhole(point, repository, context)) return point;
  return undefined;
}

/**
 * Does what the retention of the policies says, each with the restore points that it made. A policy without retention, and restore
 * points that somebody made by hand or a policy that is not among these, are left alone.
 */
export async function planByPolicies(
  source: PruneSource,
  policies: readonly ActivePolicy[],
  vms: PruneRequest['vms'],
  now: number,
): Promise<PrunePlan> {
  const byPolicy = Map.groupBy(source.points.filter(isOfThese(vms)), (point) => point.policy);
  const keep: StoredRestorePoint[] = [];
  const remove: Removal[] = [];
  const decisions: RetentionDecision[] = [];
  for (const policy of policies) {
    const made = byPolicy.get(policy.name) ?? [];
    const own = ownSeries(made, source.owner);
    if (own.length < made.length) {
      const count = made.length - own.length;
      source.context.log(
        'info',
        `Retention of ${policy.name}: ${count} restore points of another daemon are left alone.`,
      );
    }
    for (const newestFirst of byVm(own)) {
      const decided = await decideSafely(policy, newestFirst, source, now);
      for (const decision of decided) {
        decisions.push(retentionDecision(decision));
        if (decision.keep) keep.push(decision.point);
      }
      const going = decided.filter(({ keep: stays }) => !stays).toReversed();
      for (const { point } of going) remove.push({ point, policy });
      sayWhatGoes(policy, decided, going.length, source);
    }
  }
  return { keep, remove, decisions };
}

function sayWhatGoes(
  { name }: ActivePolicy,
  decided: readonly PointDecision<StoredRestorePoint>[],
  going: number,
  { context }: PruneSource,
): void {
  if (going === 0) return;
  const vm = decided[0]?.point.vmName ?? '';
  context.log('info', `Retention of ${name}, ${vm}: ${decided.length - going} restore points stay, ${going} go.`);
}

/** Before anything goes, the newest one that is taken for good is looked at: what is kept must be of use. */
async function decideSafely(
  policy: ActivePolicy,
  newestFirst: readonly StoredRestorePoint[],
  source: PruneSource,
  now: number,
): Promise<readonly PointDecision<StoredRestorePoint>[]> {
  const { repository, context, pins } = source;
  const damaged = new Set<RestorePointId>();
  for (const point of newestFirst) {
    throwIfAborted(context.signal);
    if (await isKnownDamaged(point, repository, context.signal)) damaged.add(point.id);
  }
  const facts = { isPinned: (id: RestorePointId) => pins.has(id), isDamaged: (id: RestorePointId) => damaged.has(id) };
  for (;;) {
    const decided = decideVm(policy.policy, newestFirst, { ...facts, now });
    if (decided.every(({ keep }) => keep)) return decided;
    const best = newestFirst.find(({ id }) => !damaged.has(id));
    if (best === undefined) {
      warnOfNone(newestFirst[0], source);
      return decided.map(({ point }) => ({ point, keep: true, reasons: [noneWhole] }));
    }
    if (await isWhole(best, repository, context)) return decided;
    damaged.add(best.id);
  }
}

/** All when none are named. */
function isOfThese(vms: PruneRequest['vms']): (point: StoredRestorePoint) => boolean {
  const wanted = vms === undefined ? undefined : new Set(vms);
  return ({ vmId }) => wanted === undefined || wanted.has(vmId);
}

/** The restore points of each VM, newest first. */
function byVm(points: readonly StoredRestorePoint[]): Iterable<readonly StoredRestorePoint[]> {
  const groups = Map.groupBy(
    points.toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    (point) => point.vmId,
  );
  return groups.values();
}

function warnOfNone(newest: StoredRestorePoint | undefined, { context }: PruneSource): void {
  context.warn(`No restore point of ${newest?.vmName ?? 'a VM'} is whole, so none was deleted. Verify the repository.`);
}
