/** Hyper-V's recovery checkpoints as the model's, with what we remember of ours. */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, VmId } from '../../../protocol/ids.ts';
import type { Checkpoint } from '../../../protocol/model.ts';
import { getCheckpoint, getVm } from '../commands/index.ts';
import type { HypervCheckpoint } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { toFrozenDisk, toVmDisks, vmName } from '../inventory/describe.ts';
import type { VmDisk } from '../inventory/describe.ts';
import type { CheckpointDisk, CheckpointDisks } from '../exports/frozen-disks.ts';
import type { DescribedDisk } from '../inventory/inventory.ts';
import { parseMark } from './marks.ts';
import { virtualPaths } from './preflight.ts';
import type { CheckpointRecord, Records } from '../records.ts';

/** The error of a checkpoint that is not there. */
export function checkpointNotFound(checkpoint: CheckpointId): TidemarkError {
  return new TidemarkError(errorCodes.checkpointNotFound, `There is no checkpoint ${checkpoint} on this host.`, {
    hint: 'It was removed or converted, or its VM moved to another host.',
  });
}

/** The checkpoint as Hyper-V has it now; undefined when it has none of that id. */
export async function lookUp(core: Core, id: CheckpointId, signal: AbortSignal): Promise<HypervCheckpoint | undefined> {
  const { checkpoints } = await core.calls.invoke(getCheckpoint, { CheckpointId: id }, signal);
  return checkpoints.find((checkpoint) => checkpoint.id === id);
}

/** What we wrote down of the checkpoint. */
export function recordOf(records: Records, id: CheckpointId): CheckpointRecord | undefined {
  return records.checkpoints.list().find((record) => record.checkpointId === id);
}

/** Whether we made it: it carries a mark of Tidemark, or we wrote down that it is ours and could not name it. */
export function isOurs(checkpoint: HypervCheckpoint, record: CheckpointRecord | undefined): boolean {
  return record !== undefined || parseMark(checkpoint.name) !== undefined;
}

/** The disks of a checkpoint that can be read. Throws `TM2112` for a virtual disk that Hyper-V cannot describe. */
export function readableDisks(disks: readonly VmDisk[]): readonly CheckpointDisk[] {
  return disks.flatMap((disk): readonly CheckpointDisk[] => {
    if (disk.attached.kind === 'physical') return [];
    const { facts, reason } = disk.described;
    if (facts !== undefined) return [{ attached: disk.attached, frozen: toFrozenDisk(disk, facts) }];
    throw new TidemarkError(
      errorCodes.hostStateInvalid,
      `The disk ${disk.name} of the checkpoint cannot be read: ${reason}`,
      {
        hint: 'Check the file and its parents on the host. Nothing was deleted.',
      },
    );
  });
}

/** The disks of a checkpoint, read from its files now. Throws `TM2106`, `TM2112`. */
export async function disksOfCheckpoint(core: Core, id: CheckpointId, signal: AbortSignal): Promise<CheckpointDisks> {
  const phase = recordOf(await core.records(), id)?.phase;
  // What is about to be merged is not frozen any more.
  if (phase === 'removing' || phase === 'converting' || phase === 'merging') throw checkpointNotFound(id);
  const checkpoint = await lookUp(core, id, signal);
  if (checkpoint === undefined) throw checkpointNotFound(id);
  const found = await core.inventory.describe(virtualPaths(checkpoint), signal, true);
  const disks = readableDisks(toVmDisks(checkpoint.vmId, checkpoint.disks, found));
  const { vms } = await core.calls.invoke(getVm, { VmId: checkpoint.vmId }, signal);
  const vm = vms.find((candidate) => candidate.id === checkpoint.vmId);
  const warnings =
    vm?.fibreChannel === true
      ? [
          'The VM has virtual Fibre Channel adapters. The host cannot see the disks behind them, so they are not in the backup.',
        ]
      : [];
  return { vmId: checkpoint.vmId, vmName: vm === undefined ? checkpoint.vmId : vmName(vm), disks, warnings };
}

/** The model's checkpoint. Disks that cannot be described are left out: the list must not fail for them. */
export function toCheckpoint(
  checkpoint: HypervCheckpoint,
  record: CheckpointRecord | undefined,
  found: ReadonlyMap<string, DescribedDisk>,
): Checkpoint {
  if (record?.checkpoint !== undefined) return record.checkpoint;
  const mark = record ?? parseMark(checkpoint.name);
  const disks = toVmDisks(checkpoint.vmId, checkpoint.disks, found).filter(
    (disk) => disk.attached.kind === 'virtual' && disk.described.facts !== undefined,
  );
  return {
    id: checkpoint.id,
    vmId: checkpoint.vmId,
    ...(mark === undefined ? {} : { owner: mark.owner, runId: mark.runId }),
    createdAt: checkpoint.createdAt,
    consistency: mark?.consistency ?? 'crash',
    disks: readableDisks(disks)
      .map(({ frozen }) => frozen)
      .slice(0, 256),
  };
}

/** The files that the VM writes to, and those of the checkpoint below them. */
export async function filesAbove(
  core: Core,
  vm: VmId,
  checkpoint: HypervCheckpoint,
  signal: AbortSignal,
): Promise<{ readonly leaves: readonly string[]; readonly bases: readonly string[] }> {
  const { vms } = await core.calls.invoke(getVm, { VmId: vm }, signal);
  const bases = virtualPaths(checkpoint);
  const active = vms.filter((candidate) => candidate.id === vm).flatMap(virtualPaths);
  return { leaves: active.filter((path) => !bases.includes(path)), bases };
}
