/** Step 2 of a backup: choose what an incremental counts from. */
import * as agent from '../../protocol/agent.ts';
import type { TrackingId, VmId } from '../../protocol/ids.ts';
import type { FrozenDisk, FullReason, ReferencePoint } from '../../protocol/model.ts';
import type { StoredDisk, StoredRestorePoint } from '../../repository/index.ts';
import type { AgentConnection } from '../agent-client/connection.ts';

/** What a backup builds on. */
export type Base =
  | {
      readonly type: 'restore-point';
      readonly point: StoredRestorePoint;
      readonly referencePoint: ReferencePoint;
    }
  | { readonly type: 'none'; readonly reason: FullReason };

/** The newest restore point of the VM whose reference point the host still knows. `points` are those of the VM in one repository, oldest first. */
export async function chooseBase(
  points: readonly StoredRestorePoint[],
  vmId: VmId,
  type: 'full' | 'incremental',
  connection: AgentConnection,
  signal: AbortSignal,
): Promise<Base> {
  if (type === 'full') return { type: 'none', reason: 'requested' };
  if (points.length === 0) return { type: 'none', reason: 'first' };
  const { referencePoints } = await connection.request(agent.listReferencePoints, { vmId }, { signal });
  for (const point of points.toReversed()) {
    const referencePoint = referencePoints.find((candidate) => candidate.id === point.referencePointId);
    if (referencePoint !== undefined) return { type: 'restore-point', point, referencePoint };
  }
  return { type: 'none', reason: 'reference-point-missing' };
}

/** How one disk is to be read. */
export type DiskPlan =
  | { readonly type: 'full'; readonly reason: FullReason }
  | { readonly type: 'incremental'; readonly base: StoredDisk; readonly since: TrackingId };

/** Step 4: a disk that is new, was resized or cannot be tracked is read in full, alone; the others stay incremental. */
export function planDisk(disk: FrozenDisk, base: Base): DiskPlan {
  if (base.type === 'none') return { type: 'full', reason: base.reason };
  const before = base.point.disks.find((candidate) => candidate.id === disk.id);
  if (before === undefined) return { type: 'full', reason: 'new-disk' };
  if (before.sizeBytes !== disk.sizeBytes || before.logicalSectorBytes !== disk.logicalSectorBytes) {
    return { type: 'full', reason: 'resized' };
  }
  if (!disk.trackable) return { type: 'full', reason: 'not-trackable' };
  const tracked = base.referencePoint.disks.find((candidate) => candidate.diskId === disk.id);
  if (before.trackingId === undefined || tracked?.trackingId !== before.trackingId) {
    return { type: 'full', reason: 'tracking-unknown' };
  }
  return { type: 'incremental', base: before, since: before.trackingId };
}
