/** What the state files look like from outside: the model's types. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode } from '../../base/files.ts';
import { vmId } from '../../protocol/ids.ts';
import type { Checkpoint, HostInfo, VmConfiguration, VmInfo } from '../../protocol/model.ts';
import { folderPath } from './layout.ts';
import type { CheckpointState, HostState, VmDocument } from './state.ts';

const osNames: ReadonlyMap<number, string> = new Map([
  [14_393, 'Windows Server 2016'],
  [17_763, 'Windows Server 2019'],
  [20_348, 'Windows Server 2022'],
  [26_100, 'Windows Server 2025'],
]);

/** Limit of `vmInfo.rctBlockers` in protocol/model.ts. */
const maxReasonLength = 512;

/** First Windows build whose exports can leave disks out (hyperv-rct.md 1.10: ExcludedVirtualHardDisks is not in 14393). */
const firstBuildWithDiskExclusion = 17_763;

/** Whether an export on this host can leave disks out without copying them. */
export const canExcludeDisks = (host: HostState): boolean => host.build >= firstBuildWithDiskExclusion;

export function toHostInfo(host: HostState): HostInfo {
  const osName = osNames.get(host.build) ?? `Windows build ${host.build}`;
  return { name: host.name, provider: 'simulated', build: host.build, osName };
}

/** Why RCT cannot be used on this VM; empty when it can. */
export function rctBlockers(vm: VmDocument): readonly string[] {
  const blockers: string[] = [];
  const [major = 0, minor = 0] = vm.configVersion.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    blockers.push(
      `The configuration version ${vm.configVersion} is below 6.2. Shut the VM down and upgrade it with Update-VMVersion.`,
    );
  }
  const ids = vm.disks.map((disk) => disk.id);
  if (new Set(ids).size !== ids.length) {
    blockers.push('Two disks have the same VirtualDiskId. Give one a new id with Set-VHD -ResetDiskIdentifier.');
  }
  return blockers;
}

/** Open checkpoints, and one whose removal is not finished. */
export function visibleCheckpoint(vm: VmDocument): CheckpointState | undefined {
  if (vm.checkpoint !== undefined) return vm.checkpoint;
  return vm.merge?.referencePointId === undefined ? vm.merge?.checkpoint : undefined;
}

export function toCheckpoint(vm: VmDocument, state: CheckpointState): Checkpoint {
  const { id, createdAt, consistency, owner, runId } = state;
  return { id, vmId: vm.id, createdAt, consistency, owner, runId, disks: state.disks.map((entry) => entry.disk) };
}

export async function toVmInfo(root: string, vm: VmDocument): Promise<VmInfo> {
  const directory = folderPath(root, 'vms', vm.name);
  const disks = [];
  for (const disk of vm.disks) {
    const { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk;
    const files = [...new Set([disk.file, disk.leaf])];
    let fileBytes = 0;
    for (const file of files) fileBytes += await fileSize(join(directory, file));
    disks.push({
      id,
      name,
      sizeBytes,
      fileBytes,
      logicalSectorBytes,
      physicalSectorBytes,
      format: 'vhdx' as const,
      path: join(directory, disk.leaf),
      trackable: true,
    });
  }
  return {
    id: vm.id,
    name: vm.name,
    state: vm.state,
    generation: vm.generation,
    configVersion: vm.configVersion,
    disks,
    rctBlockers: rctBlockers(vm),
    checkpointCount: visibleCheckpoint(vm) === undefined ? 0 : 1,
  };
}

/**
 * A VM whose state cannot be read: seen by everyone, with the reason where it says why RCT cannot be used, and in nobody's
 * way. Its real id is not known; this one is always the same for the name and belongs to no VM.
 */
export function damagedVmInfo(name: string, reason: string): VmInfo {
  const hex = createHash('sha256').update(`damaged VM ${name}`).digest('hex').toUpperCase();
  const guid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
  return {
    id: vmId(guid, 'vmId'),
    name,
    state: 'other',
    generation: 2,
    configVersion: 'unknown',
    disks: [],
    rctBlockers: [reason.slice(0, maxReasonLength)],
    checkpointCount: 0,
  };
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    // A differencing disk goes while the VM is listed without its lock.
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** The VM's configuration as an export gives it; the `.vmcx` is the simulation's own JSON. */
export function toConfiguration(vm: VmDocument): VmConfiguration {
  const { name, generation, configVersion, processorCount, memoryBytes, networkAdapters } = vm;
  const disks = vm.disks.map((disk, at) => ({ id: disk.id, name: disk.name, controller: `SCSI 0:${at}` }));
  const summary = { name, generation, configVersion, processorCount, memoryBytes, networkAdapters, disks };
  const content = Buffer.from(JSON.stringify({ simulated: true, id: vm.id, ...summary }));
  return { ...summary, files: [{ name: `${vm.id}.vmcx`, base64: content.toString('base64') }] };
}
