/** Restoring VMs (hyperv-rct.md 1.12): import as a planned VM, fix its resources, validate, realise. */
import { vmId } from '../../../protocol/ids.ts';
import type { VmId } from '../../../protocol/ids.ts';
import { array, boolean, nullable, object, string } from '../../../protocol/parse.ts';
import { command } from './command.ts';
import { started } from './started.ts';
import type { Started } from './started.ts';
import { attachedDisk } from './vms.ts';
import type { AttachedDisk } from './vms.ts';

/** `ImportSystemDefinition`. `NewId` true restores as a copy; false keeps the id and fails when the host has it. */
export const startImport = command<
  { readonly DefinitionFile: string; readonly SnapshotFolder: string; readonly NewId: boolean },
  { readonly before: readonly VmId[]; readonly outcome: Started; readonly created: VmId | null }
>('Start-TidemarkImport', object({ before: array(vmId, 65_536), outcome: started, created: nullable(vmId) }));

/** Without a usable configuration file: `DefinePlannedSystem` from the summary of the restore point; its disks and adapters are added afterwards. An empty `Version` leaves the configuration version to the host. All data roots are `Folder`; it does not start with the host. */
export const startDefinition = command<
  {
    readonly Name: string;
    readonly Generation: number;
    readonly Version: string;
    readonly ProcessorCount: number;
    readonly MemoryBytes: number;
    readonly Folder: string;
  },
  { readonly before: readonly VmId[]; readonly outcome: Started; readonly created: VmId | null }
>('Start-TidemarkDefinition', object({ before: array(vmId, 65_536), outcome: started, created: nullable(vmId) }));

/** The planned VM that a finished job made. */
export const resolvePlannedVm = command<
  { readonly JobId: string; readonly Before: readonly VmId[] },
  { readonly vmId: VmId | null }
>('Resolve-TidemarkPlannedVm', object({ vmId: nullable(vmId) }));

/** All planned VMs of the host, whoever made them: a live migration makes some too. */
export const findPlannedVm = command<
  Readonly<Record<string, never>>,
  { readonly vms: readonly { readonly id: VmId; readonly name: string }[] }
>(
  'Find-TidemarkPlannedVm',
  object({ vms: array(object({ id: vmId, name: string({ maxLength: 4096, allowEmpty: true }) }), 65_536) }),
);

/** The disks and network adapters of a planned VM; `adapterIds` are the InstanceIDs of the adapters in the order of its settings. `fibreChannel`: it has virtual fibre channel adapters. */
export const getPlannedVm = command<
  { readonly VmId: VmId },
  { readonly disks: readonly AttachedDisk[]; readonly adapterIds: readonly string[]; readonly fibreChannel: boolean }
>(
  'Get-TidemarkPlannedVm',
  object({
    disks: array(attachedDisk, 512),
    adapterIds: array(string({ maxLength: 1024 }), 64),
    fibreChannel: boolean,
  }),
);

/** `ModifyResourceSettings` of the disks: each gets its new file. */
export const startDiskChange = command<
  { readonly VmId: VmId; readonly Disk: readonly { readonly instanceId: string; readonly path: string }[] },
  Started
>('Start-TidemarkDiskChange', started);

/** `RemoveResourceSettings`: takes disks (InstanceIDs of SASDs, or of physical drives) out of a planned VM, each with its drive. Disks that are not restored would else be those of the original VM. */
export const startDiskRemoval = command<{ readonly VmId: VmId; readonly InstanceId: readonly string[] }, Started>(
  'Start-TidemarkDiskRemoval',
  started,
);

/** Adds SCSI (generation 2) or IDE and SCSI (generation 1) drives with these files, for a VM that was defined anew. */
export const startDiskAddition = command<
  { readonly VmId: VmId; readonly Generation: number; readonly Path: readonly string[] },
  Started
>('Start-TidemarkDiskAddition', started);

/** Adds network adapters, each connected to the switch of that name, or to none when the name is empty or the host has no such switch. */
export const startAdapterAddition = command<
  { readonly VmId: VmId; readonly Adapter: readonly { readonly name: string; readonly switchName: string }[] },
  Started
>('Start-TidemarkAdapterAddition', started);

/** Takes all network adapters off their switches, and gives them dynamic MAC addresses. */
export const startDisconnection = command<{ readonly VmId: VmId }, Started>('Start-TidemarkDisconnection', started);

/** `RemoveResourceSettings`: takes the virtual fibre channel adapters out of a planned VM. Their addresses in the storage network are those of the original VM. */
export const startFibreChannelRemoval = command<{ readonly VmId: VmId }, Started>(
  'Start-TidemarkFibreChannelRemoval',
  started,
);

/** Connects adapters of a planned VM (by their InstanceIDs), after `Start-TidemarkDisconnection`, each to the switch of that name; one whose switch the host does not have stays disconnected. */
export const startConnection = command<
  { readonly VmId: VmId; readonly Adapter: readonly { readonly instanceId: string; readonly switchName: string }[] },
  Started
>('Start-TidemarkConnection', started);

/** `ModifySystemSettings` of the planned VM: its name, the folder of all its files (every data root that the build has), and that it does not start with the host. */
export const renamePlannedVm = command<
  { readonly VmId: VmId; readonly Name: string; readonly Folder: string },
  Started
>('Rename-TidemarkPlannedVm', started);

/** `ValidatePlannedSystem`: problems are the job's errors. */
export const startValidation = command<{ readonly VmId: VmId }, Started>('Start-TidemarkValidation', started);

/** `RealizePlannedSystem`: the VM exists afterwards, off, under the planned VM's id. */
export const startRealization = command<{ readonly VmId: VmId }, Started>('Start-TidemarkRealization', started);

/** `DestroySystem` of a planned VM; refuses (error id `NotPlanned`) a real one. Its files stay. */
export const startPlannedRemoval = command<{ readonly VmId: VmId }, Started>('Start-TidemarkPlannedRemoval', started);
