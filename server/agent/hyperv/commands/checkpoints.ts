/** Recovery checkpoints (`Msvm_VirtualSystemSnapshotService`, hyperv-rct.md 1.6, 1.9, 1.11, 1.13). */
import { checkpointId, vmId } from '../../../protocol/ids.ts';
import type { CheckpointId, VmId } from '../../../protocol/ids.ts';
import { array, boolean, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { timestamp } from '../../../protocol/model.ts';
import { command } from './command.ts';
import { started } from './started.ts';
import type { Started } from './started.ts';
import { attachedDisk } from './vms.ts';

const folder = string({ maxLength: 4096, allowEmpty: true });

/** A recovery checkpoint, whoever made it (`Msvm_VirtualSystemSettingData` of the type `Microsoft:Hyper-V:Snapshot:Recovery`). */
export const hypervCheckpoint = object({
  /** `InstanceID`: `Microsoft:<GUID of the checkpoint>`. */
  id: checkpointId,
  vmId,
  /** `ElementName`. Ours is `Tidemark <owner> <run> <application|crash>`. */
  name: string({ maxLength: 4096, allowEmpty: true }),
  createdAt: timestamp,
  /** With the frozen files. */
  disks: array(attachedDisk, 512),
});
export type HypervCheckpoint = Parsed<typeof hypervCheckpoint>;

/** All recovery checkpoints, or those of one VM. */
export const getCheckpoint = command<
  { readonly VmId?: VmId; readonly CheckpointId?: CheckpointId },
  { readonly checkpoints: readonly HypervCheckpoint[] }
>('Get-TidemarkCheckpoint', object({ checkpoints: array(hypervCheckpoint, 65_536) }));

/** `CreateSnapshot` of type 32768. `before` are the VM's recovery checkpoints just before it, `created` the new one when the method was done at once. */
export const startCheckpoint = command<
  {
    readonly VmId: VmId;
    readonly Consistency: 'application' | 'crash';
    /** Set where the build has it. */
    readonly GuestBackupType: 'full' | 'copy';
  },
  { readonly before: readonly CheckpointId[]; readonly outcome: Started; readonly created: CheckpointId | null }
>(
  'Start-TidemarkCheckpoint',
  object({ before: array(checkpointId, 65_536), outcome: started, created: nullable(checkpointId) }),
);

/** The checkpoint that a job made: through `Msvm_AffectedJobElement` (`proven`), else the one that was not there before. Null when there is none, or more than one that could be it. */
export const resolveCheckpoint = command<
  { readonly VmId: VmId; readonly JobId: string; readonly Before: readonly CheckpointId[] },
  { readonly checkpointId: CheckpointId | null; readonly proven: boolean }
>('Resolve-TidemarkCheckpoint', object({ checkpointId: nullable(checkpointId), proven: boolean }));

/** Gives a checkpoint its name (`ModifySystemSettings`). */
export const renameCheckpoint = command<{ readonly CheckpointId: CheckpointId; readonly Name: string }, Started>(
  'Rename-TidemarkCheckpoint',
  started,
);

/** `DestroySnapshot`. Refuses (error id `NotOwnCheckpoint`) one whose name does not begin with `Tidemark `, unless `Unmarked` is true: the agent has written down that it made it and was cut off before it could name it. */
export const startCheckpointRemoval = command<
  { readonly CheckpointId: CheckpointId; readonly Unmarked: boolean },
  Started
>('Start-TidemarkCheckpointRemoval', started);

/** Whether differencing disks of checkpoints are still there (hyperv-rct.md 1.11, 1.13). */
export const mergeStatus = object({
  /** `OperationalStatus[1]` of the VM, 32772 while disks merge; null when nothing runs. */
  operation: nullable(integer(0, 65_535)),
  /** Files the VM writes to now. */
  activePaths: array(string({ maxLength: 4096 }), 512),
  /** Snapshots of any kind that are left. */
  snapshots: integer(0, 65_536),
  /** `Msvm_DiskMergeSettingData.EnabledState` is 0 for this VM. */
  disabled: boolean,
});
export type MergeStatus = Parsed<typeof mergeStatus>;

export const getMerge = command<{ readonly VmId: VmId }, MergeStatus>('Get-TidemarkMerge', mergeStatus);

/** `ModifyDiskMergeSettings` with `EnabledState` 1, on the VM's existing settings object. */
export const enableMerge = command<{ readonly VmId: VmId }, Started>('Enable-TidemarkMerge', started);

/** The VM's configuration at the checkpoint: a summary, and where its files are. */
export const checkpointConfiguration = object({
  name: string({ maxLength: 4096, allowEmpty: true }),
  subType: string({ maxLength: 256 }),
  version: string({ maxLength: 16 }),
  processorCount: integer(1, 4096),
  memoryBytes: integer(),
  adapters: array(
    object({ name: string({ maxLength: 4096, allowEmpty: true }), switchName: nullable(string({ maxLength: 4096 })) }),
    64,
  ),
  /** `ConfigurationDataRoot` and `ConfigurationFile`; all files beside it with the same base name belong to it (`.vmcx`, `.vmrs`). */
  configurationRoot: folder,
  configurationFile: folder,
  /** `GuestStateDataRoot` and `GuestStateFile` (`.vmgs`); empty where the build has none. */
  guestStateRoot: folder,
  guestStateFile: folder,
});
export type CheckpointConfiguration = Parsed<typeof checkpointConfiguration>;

export const getConfiguration = command<{ readonly CheckpointId: CheckpointId }, CheckpointConfiguration>(
  'Get-TidemarkConfiguration',
  checkpointConfiguration,
);
