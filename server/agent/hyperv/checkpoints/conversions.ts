/** From a checkpoint to a reference point: which one it became, and which tracking id is of which disk. */
import type { DiskId, ReferencePointId, TrackingId } from '../../../protocol/ids.ts';
import { trackingId as parseTrackingId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import { getReferencePoint, resolveReferencePoint } from '../commands/index.ts';
import type { HypervReferencePoint } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { nameOf } from '../paths.ts';
import { newRecordKey } from '../records.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { untilSeen } from './seen.ts';

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

/** The reference points of a VM as Hyper-V has them. */
export async function pointsOf(
  core: Core,
  vmId: CheckpointRecord['vmId'],
  signal: AbortSignal,
): Promise<readonly HypervReferencePoint[]> {
  const { referencePoints } = await core.calls.invoke(getReferencePoint, { VmId: vmId }, signal);
  return referencePoints.filter((point) => point.vmId === vmId);
}

/** Writes down that a reference point is ours; undefined when its tracking ids cannot be told apart. */
export async function keepPoint(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  found: HypervReferencePoint,
): Promise<ReferencePoint | undefined> {
  const disks = pairDisks(found, record.conversion?.disks ?? []);
  if (disks === undefined || disks.length === 0) return undefined;
  const { vmId, owner, runId } = record;
  const createdAt = record.checkpoint?.createdAt ?? record.startedAt;
  const point: ReferencePoint = { id: found.id, vmId, owner, runId, createdAt, disks };
  const files = (record.conversion?.disks ?? []).flatMap(({ diskId, file }) =>
    file === undefined ? [] : [{ diskId, name: nameOf(file) }],
  );
  await records.referencePoints.put({ format: 1, key: newRecordKey(), point, files });
  core.step('convert:point-recorded');
  return point;
}

/**
 * The reference point that a conversion made: the one that Hyper-V ties to its job, else the only one that was not there before and has
 * the checkpoint's disks. It is written down as ours. Undefined when there is none. Unless Hyper-V said that the conversion is done
 * (`isDone`), the only new one can be of another product, which may have made its first one, and of a later moment: it is left alone.
 */
export async function findConverted(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
  isDone = false,
): Promise<ReferencePoint | undefined> {
  const id = await provenPoint(core, record, signal);
  const kept = records.referencePoints.list().find(({ point }) => point.id === id);
  if (kept !== undefined) return kept.point;
  if (id !== undefined) {
    const proven = await untilSeen(core, async () =>
      (await pointsOf(core, record.vmId, signal)).find((point) => point.id === id),
    );
    if (proven !== undefined) return keepPoint(core, records, record, proven);
  }
  const points = await pointsOf(core, record.vmId, signal);
  const found = onlyNew(points, record, records);
  if (found === undefined) return undefined;
  if (isDone) return keepPoint(core, records, record, found);
  core.log.log(
    'warning',
    `VM ${record.vmId} has a reference point that a conversion of Tidemark or another product made: ${found.id}. It is left alone.`,
  );
  return undefined;
}

/** What Hyper-V itself says that the conversion made; its jobs are known for some minutes. */
async function provenPoint(
  core: Core,
  { vmId, conversion }: CheckpointRecord,
  signal: AbortSignal,
): Promise<ReferencePointId | undefined> {
  const { before = [], jobId, pointId } = conversion ?? {};
  if (pointId !== undefined || jobId === undefined) return pointId;
  const args = { VmId: vmId, JobId: jobId, Before: before };
  const { referencePointId, proven } = await core.calls.invoke(resolveReferencePoint, args, signal);
  return proven ? (referencePointId ?? undefined) : undefined;
}

function onlyNew(
  points: readonly HypervReferencePoint[],
  record: CheckpointRecord,
  records: Records,
): HypervReferencePoint | undefined {
  const { before = [], disks = [] } = record.conversion ?? {};
  const known = new Set<ReferencePointId>([...before, ...records.referencePoints.list().map(({ point }) => point.id)]);
  const fresh = points.filter((point) => !known.has(point.id) && (pairDisks(point, disks) ?? []).length > 0);
  return fresh.length === 1 ? fresh[0] : undefined;
}
