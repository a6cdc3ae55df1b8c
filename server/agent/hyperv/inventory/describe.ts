/** Hyper-V's VMs and disks as the model's types. */
import { createHash } from 'node:crypto';

import { oneLine } from '../../../base/one-line.ts';
import { diskId as parseDiskId } from '../../../protocol/ids.ts';
import type { DiskId, VmId } from '../../../protocol/ids.ts';
import type { DiskInfo, FrozenDisk, HostInfo, VmInfo, VmState } from '../../../protocol/model.ts';
import type { AttachedDisk, HypervHost, HypervVm, UnreadableVm } from '../commands/index.ts';
import { diskNames, slotText } from './disk-names.ts';
import { describedAs } from './inventory.ts';
import type { DescribedDisk, DiskFacts } from './inventory.ts';

/** Limits of protocol/model.ts. */
const maxNameLength = 256;
const maxDisks = 256;
const maxReasons = 64;
const maxReasonLength = 512;

/** `Msvm_VirtualSystemSettingData.VirtualSystemType` of recovery checkpoints. */
const recoveryType = 'Microsoft:Hyper-V:Snapshot:Recovery';

/** Both families of `Msvm_ComputerSystem.EnabledState`: those of DMTF, and those of Hyper-V from 32768 on. */
const states: ReadonlyMap<number, VmState> = new Map([
  [2, 'running'],
  [3, 'off'],
  [6, 'saved'],
  [9, 'paused'],
  [32_768, 'paused'],
  [32_769, 'saved'],
  // Creating a checkpoint: the guest goes on.
  [32_771, 'running'],
  [32_779, 'saved'],
]);

/** The state of a VM; `other` while it changes, and when its storage is lost. */
export function vmState(vm: Pick<HypervVm, 'enabledState'>): VmState {
  return states.get(vm.enabledState) ?? 'other';
}

/** 1 or 2, of `VirtualSystemSubType`. */
export function generationOf(vm: Pick<HypervVm, 'subType'>): number {
  return vm.subType.endsWith(':2') ? 2 : 1;
}

/** The name of a VM as it is shown: its own, or its id when it has none. */
export function vmName(vm: { readonly id: VmId; readonly name: string }): string {
  if (vm.name.trim() === '') return vm.id;
  return vm.name.length <= maxNameLength ? vm.name : vm.name.slice(0, maxNameLength).toWellFormed();
}

/** The host. */
export function toHostInfo(host: HypervHost): HostInfo {
  return { name: host.name, provider: 'hyperv', build: host.build, osName: oneLine(host.osName, 128) || 'Windows' };
}

/** A disk of a VM or of a checkpoint with all that is known of it. */
export interface VmDisk {
  readonly attached: AttachedDisk;
  readonly name: string;
  readonly id: DiskId;
  readonly described: DescribedDisk;
}

/** The disks of a VM or of a checkpoint of it, named. */
export function toVmDisks(
  vm: VmId,
  attached: readonly AttachedDisk[],
  found: ReadonlyMap<string, DescribedDisk>,
): readonly VmDisk[] {
  const names = diskNames(attached);
  return attached.map((disk, at) => {
    const described = describedAs(found, disk.path);
    const id = described.facts?.diskId ?? slotId(vm, disk);
    return { attached: disk, name: names[at] ?? '', id, described };
  });
}

/** What stands for the VirtualDiskId of a disk that has none (a VHD, a physical disk): always the same for its place in the VM. */
function slotId(vm: VmId, disk: AttachedDisk): DiskId {
  const hex = createHash('sha256')
    .update(`${vm} ${slotText(disk)}`)
    .digest('hex')
    .toUpperCase();
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return parseDiskId(parts.join('-'), 'diskId');
}

/** Whether RCT tracks the disk: only a VHDX of its own that one VM uses. */
export function isTrackable({ attached, described }: VmDisk): boolean {
  return attached.kind === 'virtual' && !attached.shared && described.facts?.format === 'vhdx';
}

function formatOf({ attached, described }: VmDisk): DiskInfo['format'] {
  if (attached.kind === 'physical') return 'passthrough';
  if (described.facts !== undefined) return described.facts.format;
  if (/\.vhds$/i.test(attached.path)) return 'vhdset';
  return /\.a?vhd$/i.test(attached.path) ? 'vhd' : 'vhdx';
}

function toDiskInfo(disk: VmDisk): DiskInfo {
  const { attached, name, id, described } = disk;
  const { sizeBytes = 0, logicalSectorBytes = 512, physicalSectorBytes = 512 } = described.facts ?? {};
  return {
    id,
    name,
    sizeBytes,
    fileBytes: described.fileBytes,
    format: formatOf(disk),
    logicalSectorBytes,
    physicalSectorBytes,
    path: attached.path,
    trackable: isTrackable(disk),
  };
}

/** A disk as a checkpoint froze it; its tracking id is known only when a reference point holds it. */
export function toFrozenDisk(disk: VmDisk, facts: DiskFacts): FrozenDisk {
  const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = facts;
  return {
    id: disk.id,
    name: disk.name,
    sizeBytes,
    logicalSectorBytes,
    physicalSectorBytes,
    trackable: isTrackable(disk),
  };
}

/** A VM with its disks, and why it cannot be backed up with RCT. */
export function toVmInfo(vm: HypervVm, disks: readonly VmDisk[], blockers: readonly string[]): VmInfo {
  return {
    id: vm.id,
    name: vmName(vm),
    state: vmState(vm),
    generation: generationOf(vm),
    configVersion: vm.version === '' ? 'unknown' : vm.version,
    disks: disks.slice(0, maxDisks).map(toDiskInfo),
    rctBlockers: blockers.slice(0, maxReasons).map((reason) => oneLine(reason, maxReasonLength)),
    checkpointCount: vm.snapshotTypes.filter((type) => type === recoveryType).length,
  };
}

/** A VM whose settings cannot be read: seen by everyone, with the reason, and in nobody's way. */
export function unreadableVmInfo(vm: UnreadableVm): VmInfo {
  const reason = `Hyper-V cannot read the settings of this VM: ${vm.message}`;
  return {
    id: vm.id,
    name: vmName(vm),
    state: 'other',
    generation: 2,
    configVersion: 'unknown',
    disks: [],
    rctBlockers: [oneLine(reason, maxReasonLength)],
    checkpointCount: 0,
  };
}
