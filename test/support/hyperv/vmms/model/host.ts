/** The host's own objects: services, settings, switches, the operating system. */
import { join } from 'node:path';

import { guidOf } from '../paths.ts';
import type { Instance, Reference } from '../wire.ts';
import type { World } from '../world.ts';

const services = [
  ['Msvm_VirtualSystemManagementService', 'vmms', 'Hyper-V Virtual System Management Service'],
  ['Msvm_VirtualSystemSnapshotService', 'vssnapsvc', 'Hyper-V Virtual System Snapshot Service'],
  ['Msvm_VirtualSystemReferencePointService', 'vsrpsvc', 'Hyper-V Virtual System Reference Point Service'],
  ['Msvm_ImageManagementService', 'vhdsvc', 'Hyper-V Image Management Service'],
] as const;

/** The services, one instance each. */
export const serviceInstances = (world: World): readonly Instance[] =>
  services.map(([className, name, label]) => ({
    className,
    properties: {
      CreationClassName: className,
      Name: name,
      SystemCreationClassName: 'Msvm_ComputerSystem',
      SystemName: world.computerName,
      ElementName: label,
      Caption: label,
      EnabledState: 2,
      HealthState: 5,
      OperationalStatus: [2],
      Started: true,
      StartMode: 'Automatic',
    },
  }));

/** The folders for new VMs and new disks. */
export const defaultFolders = (world: World): { readonly vms: string; readonly disks: string } => ({
  vms: join(world.ownFolder, 'Virtual Machines'),
  disks: join(world.ownFolder, 'Virtual Hard Disks'),
});

/** `Msvm_VirtualSystemManagementServiceSettingData`. */
export function serviceSettings(world: World): Instance {
  const folders = defaultFolders(world);
  return {
    className: 'Msvm_VirtualSystemManagementServiceSettingData',
    properties: {
      InstanceID: `Microsoft:${world.computerName}`,
      ElementName: world.computerName,
      DefaultExternalDataRoot: folders.vms,
      DefaultVirtualHardDiskPath: folders.disks,
      EnhancedSessionModeEnabled: false,
      NumaSpanningEnabled: true,
    },
  };
}

/** The virtual switches of the host; each host gives them GUIDs of its own. */
export const switchInstances = (world: World): readonly Instance[] =>
  world.switches.map((name) => ({
    className: 'Msvm_VirtualEthernetSwitch',
    properties: {
      CreationClassName: 'Msvm_VirtualEthernetSwitch',
      Name: guidOf(world.host.id, 'switch', name),
      ElementName: name,
      EnabledState: 2,
      HealthState: 5,
      OperationalStatus: [2],
    },
  }));

/** The reference to the switch of that name on this host, whether it is there or not. */
export const switchReference = (world: World, name: string): Reference => ({
  className: 'Msvm_VirtualEthernetSwitch',
  keys: { CreationClassName: 'Msvm_VirtualEthernetSwitch', Name: guidOf(world.host.id, 'switch', name) },
});

const editions: ReadonlyMap<number, string> = new Map([
  [14_393, 'Microsoft Windows Server 2016 Datacenter'],
  [17_763, 'Microsoft Windows Server 2019 Datacenter'],
  [20_348, 'Microsoft Windows Server 2022 Datacenter'],
  [26_100, 'Microsoft Windows Server 2025 Datacenter'],
]);

/** `Win32_OperatingSystem`. */
export function operatingSystem(world: World, bootedAt: Date, now: Date): Instance {
  const { build } = world.host;
  const caption = editions.get(build) ?? `Microsoft Windows ${build}`;
  return {
    className: 'Win32_OperatingSystem',
    properties: {
      Name: `${caption}|C:\\Windows|\\Device\\Harddisk0\\Partition3`,
      Caption: caption,
      BuildNumber: String(build),
      Version: `10.0.${build}`,
      CSName: world.computerName,
      OSArchitecture: '64-bit',
      ProductType: 3,
      LastBootUpTime: bootedAt.toISOString(),
      LocalDateTime: now.toISOString(),
    },
  };
}

/** What this build does not have (docs/hyperv.md). */
export function hiddenIn(build: number): readonly string[] {
  if (build >= 17_763) return [];
  return [
    'Msvm_VirtualSystemSnapshotSettingData.GuestBackupType',
    'Msvm_VirtualSystemExportSettingData.ExcludedVirtualHardDisks',
    'Msvm_VirtualSystemExportSettingData.DisableDifferentialOfIgnoredStorage',
    'Msvm_VirtualSystemExportSettingData.ExportForLiveMigration',
    'Msvm_VirtualSystemSettingData.GuestStateDataRoot',
    'Msvm_VirtualSystemSettingData.GuestStateFile',
    'Msvm_VirtualSystemSettingData.IsAutomaticSnapshot',
    'Msvm_VirtualSystemSettingData.AutomaticSnapshotsEnabled',
    'Msvm_VirtualSystemReferencePointService.ImportReferencePointMetadata',
  ];
}

/** Whether this build keeps guest state in a file of its own. */
export const hasGuestStateFile = (build: number): boolean => build >= 17_763;
