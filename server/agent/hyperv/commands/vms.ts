/** VMs and their disks. */
import { vmId } from '../../../protocol/ids.ts';
import type { VmId } from '../../../protocol/ids.ts';
import { array, boolean, integer, nullable, object, oneOf, optional, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { command } from './command.ts';

const path = string({ maxLength: 4096 });

/** A disk attached to a VM or to a checkpoint of it (`Msvm_StorageAllocationSettingData`, hyperv-rct.md 1.4). */
export const attachedDisk = object({
  /** `InstanceID` of the SASD (of the drive for a physical disk). */
  instanceId: string({ maxLength: 1024 }),
  kind: oneOf('virtual', 'physical'),
  /** `HostResource[0]`: the file the VM writes to; in a checkpoint the frozen one. */
  path,
  controller: oneOf('IDE', 'SCSI', 'PMEM', 'other'),
  /** For SCSI the place of the controller among those of the VM. */
  controllerNumber: integer(0, 255),
  location: integer(0, 255),
  /** `PersistentReservationsSupported`: shared between VMs. */
  shared: boolean,
});
export type AttachedDisk = Parsed<typeof attachedDisk>;

/** A VM with what the inventory needs. */
export const hypervVm = object({
  id: vmId,
  /** `ElementName`: a label, not unique, any characters. */
  name: string({ maxLength: 4096, allowEmpty: true }),
  /** Both families of numbers of hyperv-rct.md 1.3. */
  enabledState: integer(0, 65_535),
  healthState: integer(0, 65_535),
  operationalStatus: array(integer(0, 65_535), 16),
  /** 0 none, 1 primary, 2 replica, 3 test replica, 4 extended. */
  replicationMode: integer(0, 65_535),
  /** `VirtualSystemSubType`: `Microsoft:Hyper-V:SubType:2`. */
  subType: string({ maxLength: 256 }),
  /** Configuration version: `9.0`. */
  version: string({ maxLength: 16 }),
  disks: array(attachedDisk, 512),
  /** `VirtualSystemType` of each snapshot of the VM. */
  snapshotTypes: array(string({ maxLength: 256 }), 65_536),
  /** Whether virtual fibre channel ports are there, whose disks the host cannot see. */
  fibreChannel: boolean,
});
export type HypervVm = Parsed<typeof hypervVm>;

/** A VM whose settings cannot be read; it hides no other. */
export const unreadableVm = object({
  id: vmId,
  name: string({ maxLength: 4096, allowEmpty: true }),
  message: string({ maxLength: 65_536, allowEmpty: true }),
});
export type UnreadableVm = Parsed<typeof unreadableVm>;

/** All VMs (realised ones, not the host itself, not planned ones), or one; an unknown id gives an empty list. */
export const getVm = command<
  { readonly VmId?: VmId },
  { readonly vms: readonly HypervVm[]; readonly unreadable?: readonly UnreadableVm[] | undefined }
>('Get-TidemarkVm', object({ vms: array(hypervVm, 65_536), unreadable: optional(array(unreadableVm, 65_536)) }));

/** The guest's VSS (`Msvm_VssComponent`, hyperv-rct.md 1.6); null when the VM has no such component. */
export const getVss = command<
  { readonly VmId: VmId },
  { readonly vss: { readonly enabledState: number; readonly operationalStatus: readonly number[] } | null }
>(
  'Get-TidemarkVss',
  object({
    vss: nullable(object({ enabledState: integer(0, 65_535), operationalStatus: array(integer(0, 65_535), 16) })),
  }),
);

/** A disk file as the image service describes it (`GetVirtualHardDiskSettingData`, hyperv-rct.md 1.5): for files that cannot be opened because a VM runs. */
export const virtualDisk = object({
  path,
  /** 2 VHD, 3 VHDX, 4 VHD Set. */
  format: integer(0, 65_535),
  /** 2 fixed, 3 dynamic, 4 differencing. */
  type: integer(0, 65_535),
  parentPath: string({ maxLength: 4096, allowEmpty: true }),
  sizeBytes: integer(),
  logicalSectorBytes: integer(0, 65_536),
  physicalSectorBytes: integer(0, 65_536),
  /** `VirtualDiskId`, as the service gives it: with or without braces, any case. */
  virtualDiskId: string({ maxLength: 64, allowEmpty: true }),
});
export type VirtualDiskFacts = Parsed<typeof virtualDisk>;

/** Describes disk files; one that cannot be described has its reason in `error`. */
export const getVirtualDisk = command<
  { readonly Path: readonly string[] },
  {
    readonly disks: readonly {
      readonly path: string;
      readonly disk: VirtualDiskFacts | null;
      readonly error: string;
    }[];
  }
>(
  'Get-TidemarkVirtualDisk',
  object({
    disks: array(
      object({ path, disk: nullable(virtualDisk), error: string({ maxLength: 65_536, allowEmpty: true }) }),
      65_536,
    ),
  }),
);
