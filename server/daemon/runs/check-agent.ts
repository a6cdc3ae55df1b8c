/** Holds an agent to what it was asked and to what it said before: a restore point is made only of answers that fit together. */
import { isDeepStrictEqual } from 'node:util';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, OwnerId, ReferencePointId, RunId, TrackingId, VmId } from '../../protocol/ids.ts';
import type { Checkpoint, FrozenDisk, ReferencePoint } from '../../protocol/model.ts';
import type { StoredDisk, StoredRestorePoint } from '../../repository/index.ts';

/** Whose checkpoints and reference points a run makes. */
export interface Maker {
  readonly vmId: VmId;
  readonly owner: OwnerId;
  readonly runId: RunId;
}

/** Whether the run made it, as far as the host says. */
export function isMadeBy(
  maker: Maker,
  item: { readonly vmId: VmId; readonly owner?: OwnerId | undefined; readonly runId?: RunId | undefined },
): boolean {
  return item.vmId === maker.vmId && item.owner === maker.owner && item.runId === maker.runId;
}

/** Throws `TM2004` unless the checkpoint is this run's and its disks can be told apart. */
export function checkCheckpoint(checkpoint: Checkpoint, maker: Maker): void {
  if (!isMadeBy(maker, checkpoint)) throw contradiction('made a checkpoint that does not carry the mark of this run');
  const ids = new Set(checkpoint.disks.map((disk) => disk.id));
  const names = new Set(checkpoint.disks.map((disk) => disk.name));
  if (ids.size !== checkpoint.disks.length || names.size !== checkpoint.disks.length) {
    throw contradiction('reported a checkpoint in which two disks have the same id or name');
  }
}

/** Throws `TM2004` unless the exported disks are those of the checkpoint, without the excluded ones, unchanged. */
export function checkExport(
  exported: readonly FrozenDisk[],
  checkpoint: Checkpoint,
  excluded: readonly DiskId[],
): void {
  const expected = new Map(
    checkpoint.disks.filter((disk) => !excluded.includes(disk.id)).map((disk) => [disk.id, disk]),
  );
  for (const disk of exported) {
    const frozen = expected.get(disk.id);
    if (frozen === undefined) throw contradiction(`exported disk ${disk.name}, which was not asked for`);
    if (!sameDisk(frozen, disk)) throw contradiction(`exported disk ${disk.name} otherwise than the checkpoint has it`);
    expected.delete(disk.id);
  }
  const [missing] = expected.values();
  if (missing !== undefined) throw contradiction(`did not export disk ${missing.name}`);
}

/**
 * Whether the reference point is what remains of the checkpoint, so that the next run may count from it. `stored` are the disks as this run
 * stored them. `earlier` is what the restore points of the VM name: their reference points are not this one, and a tracking id of theirs
 * is of another moment, unless the disk is now what it was in each restore point with that id. A host may keep the id of a disk that
 * nobody writes to; what changed since then is what changed since now.
 */
export function isFrom(
  referencePoint: ReferencePoint,
  checkpoint: Checkpoint,
  maker: Maker,
  stored: readonly StoredDisk[],
  earlier: Moments,
): boolean {
  if (!isMadeBy(maker, referencePoint) || earlier.referencePoints.has(referencePoint.id)) return false;
  const tracked = trackingIdsOf(referencePoint);
  if (tracked.size === 0 || tracked.size !== referencePoint.disks.length) return false;
  const frozen = new Map(checkpoint.disks.map((disk) => [disk.id, disk]));
  for (const [diskId, trackingId] of tracked) {
    if (frozen.get(diskId)?.trackable !== true) return false;
    const known = earlier.disks.filter((disk) => disk.id === diskId && disk.trackingId === trackingId);
    // A disk that was left out gets no tracking id in the restore point: nothing will count from it.
    const now = stored.find((disk) => disk.id === diskId);
    if (now !== undefined && !known.every((before) => sameContent(before, now))) return false;
  }
  return checkpoint.disks.every(({ id, trackingId }) => trackingId === undefined || tracked.get(id) === trackingId);
}

/** What the restore points of a VM name: their reference points, and their disks with tracking ids. */
export interface Moments {
  readonly referencePoints: ReadonlySet<ReferencePointId>;
  readonly disks: readonly StoredDisk[];
}

/** The moments that `points` count from. */
export function momentsOf(points: readonly StoredRestorePoint[]): Moments {
  return {
    referencePoints: new Set(points.flatMap((point) => point.referencePointId ?? [])),
    disks: points.flatMap(({ disks }) => disks.filter((disk) => disk.trackingId !== undefined)),
  };
}

/** Whether two disks are the same, byte for byte: their block maps name each chunk, and each other blob of a map, by its content. */
function sameContent(a: StoredDisk, b: StoredDisk): boolean {
  return a.sizeBytes === b.sizeBytes && a.chunkBytes === b.chunkBytes && isDeepStrictEqual(a.map.root, b.map.root);
}

/** The tracking id of each disk of a reference point. */
export function trackingIdsOf(referencePoint: ReferencePoint): ReadonlyMap<DiskId, TrackingId> {
  return new Map(referencePoint.disks.map(({ diskId, trackingId }) => [diskId, trackingId]));
}

function sameDisk(a: FrozenDisk, b: FrozenDisk): boolean {
  return (
    a.name === b.name &&
    a.sizeBytes === b.sizeBytes &&
    a.logicalSectorBytes === b.logicalSectorBytes &&
    a.physicalSectorBytes === b.physicalSectorBytes &&
    a.trackable === b.trackable &&
    a.trackingId === b.trackingId
  );
}

/** The error of an agent whose answers contradict what it was asked or said before. */
export function contradiction(what: string): TidemarkError {
  return new TidemarkError(errorCodes.agentProtocolViolation, `The agent ${what}.`, {
    hint: 'Check that agent and daemon have the same version, then run the backup again.',
  });
}
