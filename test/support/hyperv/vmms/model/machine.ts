/** What a VM, a snapshot of one or an exported definition is made of: the common ground of their settings objects. */
import { join } from 'node:path';

import type { CheckpointId } from '../../../../../server/protocol/ids.ts';
import type { VmDocument } from '../../../../../server/agent/simulated/state.ts';
import type { Vm } from '../world.ts';
import type { VmNotes } from '../notes.ts';

interface MachineDisk {
  readonly path: string;
}

export interface Machine {
  /** The GUID in the InstanceIDs: the VM's, or the snapshot's. */
  readonly guid: string;
  readonly vmId: string;
  readonly name: string;
  readonly generation: number;
  readonly version: string;
  readonly processorCount: number;
  readonly memoryBytes: number;
  readonly adapters: VmDocument['networkAdapters'];
  readonly disks: readonly MachineDisk[];
  readonly extras: VmNotes['extras'];
  /** `AutomaticStartupAction`: 2 nothing, 3 when it ran before, 4 always. */
  readonly startup: number;
}

/** What Hyper-V gives a new VM. */
export const usualStartup = 3;

/** The name that people see. */
export const labelOf = ({ document, notes }: Vm): string => notes.name ?? document.name;

/** A VM as it is now: its disks are the files that the guest writes to. */
export function activeMachine(vm: Vm): Machine {
  const { generation, configVersion, processorCount, memoryBytes, networkAdapters, disks } = vm.document;
  return {
    guid: vm.id,
    vmId: vm.id,
    name: labelOf(vm),
    generation,
    version: configVersion,
    processorCount,
    memoryBytes,
    adapters: networkAdapters,
    disks: disks.map((disk) => ({ path: join(vm.directory, disk.leaf) })),
    extras: vm.notes.extras,
    startup: vm.notes.startup ?? usualStartup,
  };
}

/** A snapshot of a VM. */
export interface Snapshot {
  readonly id: CheckpointId;
  readonly guid: string;
  readonly type: string;
  readonly name: string;
  readonly createdAt: string;
  readonly machine: Machine;
}

export const recoverySnapshot = 'Microsoft:Hyper-V:Snapshot:Recovery';
export const userSnapshot = 'Microsoft:Hyper-V:Snapshot:Realized';

/** The GUID in `Microsoft:GUID`, or in anything that begins so. */
export const guidIn = (instanceId: string): string => /^Microsoft:([0-9A-Fa-f-]{36})/.exec(instanceId)?.[1] ?? '';

/** The open checkpoint of a VM. One that is merging is none any more. */
export const openCheckpoint = (document: VmDocument): VmDocument['checkpoint'] =>
  document.merge === undefined ? document.checkpoint : undefined;

/** The snapshots of a VM, oldest first. */
export function snapshotsOf(vm: Vm): readonly Snapshot[] {
  const machine = activeMachine(vm);
  const found: Snapshot[] = vm.notes.paperSnapshots.map((paper) => ({
    ...paper,
    guid: guidIn(paper.id),
    machine: { ...machine, guid: guidIn(paper.id) },
  }));
  const open = openCheckpoint(vm.document);
  if (open !== undefined) {
    const guid = guidIn(open.id);
    const noted = vm.notes.snapshotNames.find((entry) => entry.id === open.id);
    found.push({
      id: open.id,
      guid,
      type: recoverySnapshot,
      name: noted?.name ?? `${machine.name} - Backup - (${open.createdAt})`,
      createdAt: open.createdAt,
      machine: { ...machine, guid, disks: open.disks.map((disk) => ({ path: join(vm.directory, disk.frozen) })) },
    });
  }
  return found.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
}
