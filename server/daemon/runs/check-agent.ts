/** Holds an agent to what it was asked and to what it said before: a restore point is made only of answers that fit together. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, OwnerId, RunId, VmId } from '../../protocol/ids.ts';
import type { Checkpoint, FrozenDisk, ReferencePoint } from '../../protocol/model.ts';

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

/** Whether the reference point is what remains of the checkpoint, so that the next run may count from it. */
export function isFrom(referencePoint: ReferencePoint, checkpoint: Checkpoint, maker: Maker): boolean {
  if (!isMadeBy(maker, referencePoint)) return false;
  return checkpoint.disks.every(({ id, trackingId }) => {
    const tracked = referencePoint.disks.find((disk) => disk.diskId === id);
    return trackingId === undefined || tracked?.trackingId === trackingId;
  });
}

function sameDisk(a: FrozenDisk, b: FrozenDisk): boolean {
  return (
    a.name === b.name &&
    a.sizeBytes === b.sizeBytes &&
    a.logicalSectorBytes === b.logicalSectorBytes &&
    a.physicalSectorBytes === b.physicalSectorBytes &&
    a.trackingId === b.trackingId
  );
}

/** The error of an agent whose answers contradict what it was asked or said before. */
export function contradiction(what: string): TidemarkError {
  return new TidemarkError(errorCodes.agentProtocolViolation, `The agent ${what}.`, {
    hint: 'Check that agent and daemon have the same version, then run the backup again.',
  });
}
