/** Giving up reference points. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ReferencePointId, TrackingId } from '../../protocol/ids.ts';
import type { ReferencePoint } from '../../protocol/model.ts';
import type { JobContext } from '../provider.ts';
import type { CheckpointSettings } from './checkpoints.ts';
import { pause } from './jobs.ts';
import { neededIds } from './needed-ids.ts';
import { scanVms, withVm } from './store.ts';
import type { LockedVm } from './store.ts';

/** Removes a reference point; the ids that only it held are forgotten. Throws `TM2109`. */
export async function removeReferencePoint(
  settings: CheckpointSettings,
  point: ReferencePointId,
  trackingIds: readonly TrackingId[] | undefined,
  job: JobContext,
): Promise<void> {
  const { root, step } = settings;
  const missing = new TidemarkError(
    errorCodes.referencePointNotFound,
    `There is no reference point ${point} on this host.`,
    {
      hint: 'It was removed, or its VM moved to another host.',
    },
  );
  const { vms, damaged } = await scanVms(root);
  const owner = vms.find((vm) => vm.referencePoints.some((entry) => entry.id === point));
  if (owner === undefined) throw damaged[0]?.error ?? missing;
  const found = owner.referencePoints.find((entry) => entry.id === point);
  if (found !== undefined && !mayRemove(found, trackingIds)) throw missing;
  await pause(settings.jobMs / 4, job.signal);
  await withVm(root, owner.id, job.signal, async (vm) => {
    const points = vm.document.referencePoints.filter((entry) => entry.id !== point);
    if (points.length === vm.document.referencePoints.length) throw missing;
    await vm.save({ referencePoints: points });
    step('reference-point:removed');
    await forgetIds(vm);
  });
}

/** Whether it is marked as somebody's, or the caller knows its tracking ids. */
function mayRemove(point: ReferencePoint, trackingIds: readonly TrackingId[] | undefined): boolean {
  const known = new Set(point.disks.map((disk) => disk.trackingId));
  if (trackingIds === undefined) return point.owner !== undefined;
  return trackingIds.length > 0 && trackingIds.every((id) => known.has(id));
}

/** Drops the changes that no id needs any more. */
async function forgetIds(vm: LockedVm): Promise<void> {
  for (const disk of vm.document.disks) {
    const tracker = await vm.tracker(disk);
    await tracker?.retain(neededIds(vm.document));
  }
}
