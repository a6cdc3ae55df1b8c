/** Listing and giving up reference points (`Msvm_VirtualSystemReferencePointService`). */
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { ReferencePointId, TrackingId, VmId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import type { JobContext } from '../../provider.ts';
import { adopt } from './adopt.ts';
import { getReferencePoint, getVm, startReferencePointRemoval } from '../commands/index.ts';
import type { HypervReferencePoint, HypervVm } from '../commands/index.ts';
import { pointsOf } from './converted-point.ts';
import { pairDisks } from './tracked-disks.ts';
import type { KnownDisk } from './tracked-disks.ts';
import type { Core } from '../core.ts';
import { isTrackable, toVmDisks } from '../inventory/describe.ts';
import { findVm, virtualPaths } from './preflight.ts';
import type { ReferencePointRecord, Records } from '../records.ts';

/** Hyper-V does not say when a reference point was made; one that we did not make ourselves has this time. */
const unknownTime = '1970-01-01T00:00:00Z';
/** Limit of `referencePoint.disks` in protocol/model.ts. */
const maxDisks = 256;
/** Records of VMs that are not on this host are kept that long: the VM may come back. Milliseconds. */
const awayMs = 180 * 24 * 3_600_000;

/**
 * The reference points with change tracking on the host, or of one VM, of anybody. Those without a record (other products', and ours of a VM
 * that came from another host) have no owner; their disks are those that the VM has now. Throws `TM2101`.
 */
export async function listReferencePoints(
  core: Core,
  vmId: VmId | undefined,
  signal: AbortSignal,
): Promise<readonly ReferencePoint[]> {
  await core.host.get(signal);
  const records = await core.records();
  const noted = records.referencePoints.list();
  const filter = vmId === undefined ? {} : { VmId: vmId };
  const vms =
    vmId === undefined ? (await core.calls.invoke(getVm, {}, signal)).vms : [await findVm(core, vmId, signal)];
  const { referencePoints } = await core.calls.invoke(getReferencePoint, filter, signal);
  const points = referencePoints.filter((point) => vmId === undefined || point.vmId === vmId);
  await prune(records, noted, vms, points, vmId);
  // Only now: what is on Hyper-V's list and came of a conversion is known for ours then.
  await adopt(core, vmId, signal);
  const known = new Map(records.referencePoints.list().map(({ point }) => [point.id, point]));
  const listed: ReferencePoint[] = [];
  const unknown: HypervReferencePoint[] = [];
  for (const point of points) {
    const own = known.get(point.id);
    if (own !== undefined && isSame(own, point)) listed.push(own);
    else if (point.trackingIds.length > 0) unknown.push(point);
  }
  if (unknown.length > 0) listed.push(...(await describe(core, vms, unknown, signal)));
  return listed;
}

/** Whether a reference point is the one that was written down: its id alone could have been given anew. */
function isSame(own: ReferencePoint, point: HypervReferencePoint): boolean {
  return own.vmId === point.vmId && own.disks.every(({ trackingId }) => point.trackingIds.includes(trackingId));
}

async function describe(
  core: Core,
  vms: readonly HypervVm[],
  points: readonly HypervReferencePoint[],
  signal: AbortSignal,
): Promise<readonly ReferencePoint[]> {
  const wanted = vms.filter((vm) => points.some((point) => point.vmId === vm.id));
  const found = await core.inventory.describe(wanted.flatMap(virtualPaths), signal);
  const disks = new Map<VmId, readonly KnownDisk[]>();
  for (const vm of wanted) {
    const tracked = toVmDisks(vm.id, vm.disks, found).filter(isTrackable);
    disks.set(
      vm.id,
      tracked.map(({ attached, id }) => ({ instanceId: attached.instanceId, diskId: id })),
    );
  }
  return points.map((point) => ({
    id: point.id,
    vmId: point.vmId,
    createdAt: unknownTime,
    disks: (pairDisks(point, disks.get(point.vmId) ?? []) ?? []).slice(0, maxDisks),
  }));
}

/**
 * Drops those of the `noted` records whose reference points are gone; later ones may not be on the list. Of a VM that is not here nothing is
 * known: it may have moved, and come back.
 */
async function prune(
  records: Records,
  noted: readonly ReferencePointRecord[],
  vms: readonly HypervVm[],
  points: readonly HypervReferencePoint[],
  vmId: VmId | undefined,
): Promise<void> {
  const there = new Set(points.map((point) => point.id));
  const present = new Set(vms.map((vm) => vm.id));
  for (const { key, point } of noted) {
    if (there.has(point.id) || (vmId !== undefined && point.vmId !== vmId)) continue;
    const old = Date.now() - Date.parse(point.createdAt) > awayMs;
    if (present.has(point.vmId) || old) await records.referencePoints.delete(key);
  }
}

/**
 * Removes a reference point that we made on this host, or, of a VM that came from another one, one whose tracking ids the caller names.
 * Throws `TM2109` for one that is gone, and for others: nobody learns more of what is not theirs.
 */
export async function removeReferencePoint(
  core: Core,
  id: ReferencePointId,
  trackingIds: readonly TrackingId[] | undefined,
  job: JobContext,
): Promise<void> {
  const { background, calls, locks, timing } = core;
  const wanted = AbortSignal.any([job.signal, background.ended]);
  throwIfAborted(wanted);
  const records = await core.records();
  const record = records.referencePoints.list().find(({ point }) => point.id === id);
  const { referencePoints } = await calls.invoke(getReferencePoint, {}, wanted);
  const found = referencePoints.find((point) => point.id === id);
  if (found === undefined || !mayRemove(found, record, trackingIds)) throw notFound(id);
  await background.run(`Reference point ${id}`, job.signal, () =>
    locks.run(found.vmId, timing.busyMs, wanted, async () => {
      throwIfAborted(wanted);
      core.step('reference-point:removing');
      await destroy(core, found);
      core.step('reference-point:removed');
      if (record !== undefined) await records.referencePoints.delete(record.key);
    }),
  );
}

function mayRemove(
  found: HypervReferencePoint,
  record: ReferencePointRecord | undefined,
  trackingIds: readonly TrackingId[] | undefined,
): boolean {
  const ids: readonly string[] = found.trackingIds;
  if (trackingIds !== undefined) return trackingIds.length > 0 && trackingIds.every((id) => ids.includes(id));
  return record !== undefined && isSame(record.point, found);
}

async function destroy(core: Core, point: HypervReferencePoint): Promise<void> {
  const { calls, background } = core;
  const { ended } = background;
  try {
    const args = { ReferencePointId: point.id, VmId: point.vmId, TrackingId: point.trackingIds };
    await calls.finish(await calls.invoke(startReferencePointRemoval, args, ended), { signal: ended });
  } catch (error) {
    const still = (await pointsOf(core, point.vmId, ended)).some((candidate) => candidate.id === point.id);
    if (still) throw error;
    core.log.log('info', `Reference point ${point.id} is gone, although Hyper-V reported a failure.`, error);
  }
}

function notFound(id: ReferencePointId): TidemarkError {
  return new TidemarkError(
    errorCodes.referencePointNotFound,
    `There is no reference point ${id} of Tidemark on this host.`,
    {
      hint: 'It was removed, or its VM moved to another host.',
    },
  );
}
