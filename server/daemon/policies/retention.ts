/** What the retention of a policy does with the restore points that the policy made. */
import { decideRetention, policyTimezone } from '../../policy/index.ts';
import type { Policy } from '../../policy/index.ts';
import type { RetentionDecision } from '../../protocol/daemon.ts';
import type { OwnerId, VmId } from '../../protocol/ids.ts';
import type { RestorePointInfo } from '../../protocol/model.ts';

/** What is to be known of a restore point. */
export interface RetainablePoint
  extends Pick<RestorePointInfo, 'id' | 'vmId' | 'vmName' | 'createdAt'>, Partial<Pick<RestorePointInfo, 'host'>> {
  readonly disks: readonly Pick<RestorePointInfo['disks'][number], 'id' | 'name'>[];
}

/** What decisions are made from besides the restore points. */
export interface RetentionFacts {
  readonly isPinned: (id: RetainablePoint['id']) => boolean;
  /** Whether a check found it damaged. */
  readonly isDamaged: (id: RetainablePoint['id']) => boolean;
  /** ms since 1970. */
  readonly now: number;
}

/** What happens to one restore point. */
export interface PointDecision<P extends RetainablePoint> {
  readonly point: P;
  readonly keep: boolean;
  /** For people; at least one. */
  readonly reasons: readonly string[];
}

/**
 * The restore points of those VMs of which this daemon (`owner`) made at least one for the policy. Another daemon may store in the same
 * repository under a policy of the same name: what it made is not ours to delete. A daemon that was set up anew takes over a VM's restore points with
 * its first backup of it.
 */
export function ownSeries<P extends { readonly vmId: VmId; readonly owner: OwnerId }>(
  points: readonly P[],
  owner: OwnerId,
): readonly P[] {
  const vms = new Set(points.flatMap((point) => (point.owner === owner ? [point.vmId] : [])));
  return points.filter(({ vmId }) => vms.has(vmId));
}

/** Reasons of `retentionDecision` in protocol/daemon. */
const maxReasons = 16;

/**
 * Decides for restore points of one VM that the policy made, newest first. The one that was made last stays whatever its time says: a
 * host whose clock is wrong must not cost the backup that was just made. So does the newest good one with each disk: one that is left out by
 * mistake, or detached for a while, must not be lost with the restore points that are too old.
 */
export function decideVm<P extends RetainablePoint>(
  policy: Policy,
  points: readonly P[],
  { isPinned, isDamaged, now }: RetentionFacts,
): readonly PointDecision<P>[] {
  if (policy.retention === undefined) {
    return points
      .toSorted((a, b) => (a.id < b.id ? 1 : -1))
      .map((point) => ({ point, keep: true, reasons: ['the policy has no retention'] }));
  }
  const known = points.map((point) => ({
    id: point.id,
    createdAt: Date.parse(point.createdAt),
    pinned: isPinned(point.id),
    good: !isDamaged(point.id),
    of: point,
  }));
  const last = known.filter(({ good }) => good).reduce<string>((newest, { id }) => (id > newest ? id : newest), '');
  const decided = decideRetention(known, policy.retention, policyTimezone(policy), now).map(
    ({ point, keep, reasons }): PointDecision<P> =>
      keep || point.id !== last
        ? { point: point.of, keep, reasons: reasons.slice(0, maxReasons) }
        : { point: point.of, keep: true, reasons: ['the last one made'] },
  );
  return withEachDisk(decided, isDamaged);
}

/** Keeps, of those that were to go, the newest good one of each disk that no good one that stays has. */
function withEachDisk<P extends RetainablePoint>(
  newestFirst: readonly PointDecision<P>[],
  isDamaged: RetentionFacts['isDamaged'],
): readonly PointDecision<P>[] {
  const there = new Set<string>();
  const add = ({ disks }: P): void => disks.forEach(({ id }) => there.add(id));
  for (const { point, keep } of newestFirst) if (keep && !isDamaged(point.id)) add(point);
  return newestFirst.map((decision) => {
    const { point, keep } = decision;
    const alone = keep || isDamaged(point.id) ? undefined : point.disks.find(({ id }) => !there.has(id));
    if (alone === undefined) return decision;
    add(point);
    return { point, keep: true, reasons: [`the newest good one with disk ${alone.name}`] };
  });
}

/** Decides for all VMs; newest first. */
export function decideAll<P extends RetainablePoint>(
  policy: Policy,
  points: readonly P[],
  facts: RetentionFacts,
): readonly PointDecision<P>[] {
  const decisions = [...Map.groupBy(points, (point) => point.vmId).values()].flatMap((ofVm) =>
    decideVm(policy, ofVm, facts),
  );
  return decisions.toSorted((a, b) => compareNewest(a.point, b.point));
}

/** More decisions than these are not sent or stored. */
export const maxDecisions = 50_000;

/** Those that fit, in their order: of too many, those that stay are left out first. */
export function boundDecisions<D extends { readonly keep: boolean }>(decisions: readonly D[]): readonly D[] {
  let room = maxDecisions - decisions.filter(({ keep }) => !keep).length;
  return decisions.filter(({ keep }) => !keep || room-- > 0).slice(0, maxDecisions);
}

/** As the protocol has it. */
export function retentionDecision({ point, keep, reasons }: PointDecision<RetainablePoint>): RetentionDecision {
  const { id, vmId, vmName, host, createdAt } = point;
  return { restorePoint: id, vmId, vm: vmName, ...(host === undefined ? {} : { host }), createdAt, keep, reasons };
}

function compareNewest(a: RetainablePoint, b: RetainablePoint): number {
  if (a.createdAt !== b.createdAt) return a.createdAt > b.createdAt ? -1 : 1;
  return a.id > b.id ? -1 : 1;
}
