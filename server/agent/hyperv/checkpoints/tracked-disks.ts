/** Which tracking id of a reference point is of which disk. */
import type { DiskId, TrackingId } from '../../../protocol/ids.ts';
import { trackingId as parseTrackingId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import type { HypervReferencePoint } from '../commands/index.ts';
import type { Records } from '../records.ts';

/** A disk and the `InstanceID` under which Hyper-V names it where it is attached. */
export interface KnownDisk {
  readonly instanceId: string;
  readonly diskId: DiskId;
  /** The file that a checkpoint has frozen of it. */
  readonly file?: string | undefined;
}

/** The disk and its tracking id, as the model has them. */
export type TrackedDisk = ReferencePoint['disks'][number];

/**
 * The tracking id of each disk of a reference point. The two lists that Hyper-V gives go side by side; undefined when they are not
 * of one length, because then no place in them means anything. A disk that is not among `known` is left out.
 */
export function pairDisks(
  point: Pick<HypervReferencePoint, 'diskInstanceIds' | 'trackingIds'>,
  known: readonly KnownDisk[],
): readonly TrackedDisk[] | undefined {
  const { diskInstanceIds, trackingIds } = point;
  if (diskInstanceIds.length !== trackingIds.length) return undefined;
  const disks = new Map<DiskId, TrackingId>();
  for (const [at, instanceId] of diskInstanceIds.entries()) {
    const diskId = findDisk(instanceId, known);
    const trackingId = validTrackingId(trackingIds[at] ?? '');
    if (diskId === undefined || trackingId === undefined) continue;
    // Two ids of one disk: which is which cannot be told.
    if (disks.has(diskId)) return undefined;
    disks.set(diskId, trackingId);
  }
  return [...disks].map(([diskId, trackingId]) => ({ diskId, trackingId }));
}

/**
 * The disk of an `InstanceID` `Microsoft:<GUID of the VM or checkpoint>\<device>\<controller>\<location>\L`. A checkpoint's disks have its
 * own GUID in front; what follows is the same for the disk in the VM and in all of its checkpoints.
 */
function findDisk(instanceId: string, known: readonly KnownDisk[]): DiskId | undefined {
  const exact = known.filter((disk) => disk.instanceId.toUpperCase() === instanceId.toUpperCase());
  if (exact.length === 1) return exact[0]?.diskId;
  const device = deviceOf(instanceId);
  const same = known.filter((disk) => device !== '' && deviceOf(disk.instanceId) === device);
  return same.length === 1 ? same[0]?.diskId : undefined;
}

function deviceOf(instanceId: string): string {
  const at = instanceId.indexOf('\\');
  return at < 0 ? '' : instanceId.slice(at).toUpperCase();
}

function validTrackingId(text: string): TrackingId | undefined {
  try {
    return parseTrackingId(text, 'tracking id');
  } catch {
    // An id that no request could carry is as good as none: the disk is read in full.
    return undefined;
  }
}

/** The files that our checkpoints had frozen of a disk at the moment of a tracking id. */
export function filesSince(records: Records, disk: DiskId, since: TrackingId): readonly string[] {
  return records.referencePoints.list().flatMap(({ point, files = [] }) => {
    const isIt = point.disks.some(({ diskId, trackingId }) => diskId === disk && trackingId === since);
    return isIt ? files.filter(({ diskId }) => diskId === disk).map(({ name }) => name) : [];
  });
}
