/** Which change-tracking ids of a VM are still of use. */
import type { TrackingId } from '../../protocol/ids.ts';
import type { VmDocument } from './state.ts';

/** Every tracking id that a reference point or the open checkpoint refers to. */
export function neededIds(vm: VmDocument): readonly TrackingId[] {
  const ids = vm.referencePoints.flatMap((point) => point.disks.map((disk) => disk.trackingId));
  for (const { disk } of vm.checkpoint?.disks ?? []) {
    if (disk.trackingId !== undefined) ids.push(disk.trackingId);
  }
  return ids;
}
