/** Computer systems, their system settings, and what else belongs to a VM. */
import { pathText } from '../paths.ts';
import type { Faults } from '../faults.ts';
import type { Instance, Value } from '../wire.ts';
import type { Vm, World } from '../world.ts';
import { configurationFiles } from './configuration.ts';
import { activeMachine, labelOf, snapshotsOf } from './machine.ts';
import type { Machine, Snapshot } from './machine.ts';
import { instanceReference } from './references.ts';
import { diskInstanceId } from './resources.ts';

const realizedSystem = 'Microsoft:Hyper-V:System:Realized';
const plannedSystem = 'Microsoft:Hyper-V:System:Planned';

/** `EnabledState` of each power state, in both families (docs/hyperv.md). */
const enabledStates = {
  running: { dmtf: 2, vendor: 2 },
  off: { dmtf: 3, vendor: 3 },
  saved: { dmtf: 6, vendor: 32_769 },
  paused: { dmtf: 9, vendor: 32_768 },
} as const;

const captions = {
  en: { vm: 'Virtual Machine', host: 'Hosting Computer System' },
  de: { vm: 'Virtueller Computer', host: 'Hostcomputersystem' },
} as const;

/** The host as a computer system: its Name is no GUID. */
export const hostSystem = (world: World, faults: Faults): Instance => ({
  className: 'Msvm_ComputerSystem',
  properties: {
    CreationClassName: 'Msvm_ComputerSystem',
    Name: world.computerName,
    ElementName: world.computerName,
    Caption: captions[faults.language].host,
    Description: captions[faults.language].host,
    EnabledState: 2,
    HealthState: 5,
    OperationalStatus: [2],
  },
});

/** A VM. `operation` is what runs on it now (`OperationalStatus[1]`). */
export function vmSystem(vm: Vm, faults: Faults, operation: number | undefined): Instance {
  const { document, notes } = vm;
  return {
    className: 'Msvm_ComputerSystem',
    properties: {
      CreationClassName: 'Msvm_ComputerSystem',
      Name: vm.id,
      ElementName: labelOf(vm),
      Caption: captions[faults.language].vm,
      Description: `Microsoft ${captions[faults.language].vm}`,
      EnabledState: notes.enabledState ?? enabledStates[document.state][faults.stateNumbers],
      RequestedState: 12,
      HealthState: notes.healthState ?? 5,
      OperationalStatus: notes.operationalStatus ?? (operation === undefined ? [2] : [2, operation]),
      ReplicationMode: notes.replicationMode ?? 0,
      ReplicationState: 0,
      ReplicationHealth: 0,
      NumberOfNumaNodes: 1,
      OnTimeInMilliseconds: document.state === 'running' ? '1000' : '0',
      ...(document.state === 'running' && { ProcessID: 4711 }),
    },
  };
}

/** What all system settings have in common. */
function systemSettings(machine: Machine, type: string, more: Readonly<Record<string, Value>>): Instance {
  return {
    className: 'Msvm_VirtualSystemSettingData',
    properties: {
      InstanceID: `Microsoft:${machine.guid}`,
      ElementName: machine.name,
      VirtualSystemIdentifier: machine.vmId,
      VirtualSystemType: type,
      VirtualSystemSubType: `Microsoft:Hyper-V:SubType:${machine.generation}`,
      Version: machine.version,
      UserSnapshotType: 3,
      IncrementalBackupEnabled: false,
      IsSaved: false,
      AutomaticStartupAction: machine.startup,
      Notes: [''],
      ...(machine.generation === 2 && { SecureBootEnabled: true }),
      ...more,
    },
  };
}

/** The active settings of a VM. */
export function activeSettings(world: World, vm: Vm): Instance {
  const newest = snapshotsOf(vm).at(-1);
  return systemSettings(activeMachine(vm), realizedSystem, {
    ...configurationFiles(world, vm.directory, 'Virtual Machines', vm.id),
    ...(world.host.build >= 17_763 && { AutomaticSnapshotsEnabled: false }),
    ...(newest !== undefined && { Parent: snapshotPath(world, newest) }),
  });
}

const snapshotPath = (world: World, snapshot: Snapshot): string =>
  pathText(world.computerName, instanceReference('Msvm_VirtualSystemSettingData', snapshot.id));

/** The settings of a VM's snapshots; each has the one before it as its parent. */
export function snapshotSettings(world: World, vm: Vm, snapshots: readonly Snapshot[]): readonly Instance[] {
  return snapshots.map((snapshot, at) => {
    const parent = snapshots[at - 1];
    return systemSettings({ ...snapshot.machine, name: snapshot.name }, snapshot.type, {
      ...configurationFiles(world, vm.directory, 'Snapshots', snapshot.guid),
      CreationTime: snapshot.createdAt,
      ...(world.host.build >= 17_763 && { IsAutomaticSnapshot: false }),
      ...(parent !== undefined && { Parent: snapshotPath(world, parent) }),
    });
  });
}

/** The settings of a planned VM. */
export const plannedSettings = (world: World, machine: Machine, folder: string): Instance =>
  systemSettings(machine, plannedSystem, configurationFiles(world, folder, 'Virtual Machines', machine.guid));

/** The reference points of a VM (docs/hyperv.md): the disks' InstanceIDs are those of the active settings. */
export function referencePointsOf(vm: Vm, faults: Faults): readonly Instance[] {
  const machine = activeMachine(vm);
  return vm.document.referencePoints.map((point) => {
    const noted = vm.notes.referencePoints.find((entry) => entry.id === point.id);
    const computed = point.disks.map(({ diskId }) =>
      diskInstanceId(
        machine,
        vm.document.disks.findIndex((disk) => disk.id === diskId),
      ),
    );
    const ids = point.disks.map((disk) => disk.trackingId);
    return {
      className: 'Msvm_VirtualSystemReferencePoint',
      properties: {
        InstanceID: point.id,
        VirtualSystemIdentifier: vm.id,
        ElementName: '',
        ReferencePointType: faults.referencePointType,
        ConsistencyLevel: noted?.consistency ?? 2,
        HasAssociatedData: false,
        VirtualDiskIdentifiers: noted?.diskInstanceIds ?? computed,
        ResilientChangeTrackingIdentifiers: faults.referencePointArraysDiffer ? ids.slice(0, -1) : ids,
      },
    };
  });
}

/** The guest's VSS as the host sees it; none when the guest has no integration services. */
export function vssComponents(vm: Vm): readonly Instance[] {
  const { notes, document } = vm;
  if (notes.noVss === true) return [];
  const contact = document.state === 'running' ? [2] : [12];
  return [
    {
      className: 'Msvm_VssComponent',
      properties: {
        SystemCreationClassName: 'Msvm_ComputerSystem',
        SystemName: vm.id,
        CreationClassName: 'Msvm_VssComponent',
        DeviceID: `Microsoft:${vm.id}\\5CED1297-4598-4915-A5FC-AD21BB4D02A4`,
        ElementName: 'Backup (volume checkpoint)',
        EnabledState: notes.vssEnabledState ?? 2,
        HealthState: 5,
        OperationalStatus: notes.vssOperationalStatus ?? contact,
      },
    },
  ];
}

/** Whether disks of the VM may merge (docs/hyperv.md). */
export const mergeSettings = (vm: Vm, enabled: boolean): Instance => ({
  className: 'Msvm_DiskMergeSettingData',
  properties: {
    InstanceID: `Microsoft:${vm.id}\\DiskMerge`,
    ElementName: 'Disk Merge Settings',
    EnabledState: enabled ? 1 : 0,
  },
});

/** The export settings that a VM offers to start from (docs/hyperv.md). */
export const exportSettings = (vm: Vm): Instance => ({
  className: 'Msvm_VirtualSystemExportSettingData',
  properties: {
    InstanceID: `Microsoft:${vm.id}\\Export`,
    ElementName: 'Virtual Machine Export Settings',
    CopySnapshotConfiguration: 0,
    CopyVmRuntimeInformation: true,
    CopyVmStorage: true,
    CreateVmExportSubdirectory: true,
    CaptureLiveState: 1,
    BackupIntent: 0,
  },
});
