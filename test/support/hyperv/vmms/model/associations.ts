/** What is associated with what: from a VM to its settings, snapshots and reference points, from settings to their parts, from a job to what it made. */
import { isA } from '../schema.ts';
import { WmiFailure } from '../wire.ts';
import type { Instance, Reference } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import { activeMachine, guidIn } from './machine.ts';
import { find, visibleReferencePoints, visibleSnapshots } from './model.ts';
import { plannedSystemInstance } from './planned.ts';
import { keyText, vmReference } from './references.ts';
import { resourcesOf } from './resources.ts';
import { activeSettings, exportSettings, mergeSettings, snapshotSettings, vssComponents } from './settings.ts';

interface Neighbour {
  readonly association: string;
  readonly instance: Instance;
}

const all = (association: string, instances: readonly Instance[]): readonly Neighbour[] =>
  instances.map((instance) => ({ association, instance }));

function ofVm(vmms: Vmms, vm: Vm): readonly Neighbour[] {
  const { world } = vmms;
  const snapshots = snapshotSettings(world, vm, visibleSnapshots(vmms, vm));
  return [
    ...all('Msvm_SettingsDefineState', [activeSettings(world, vm)]),
    ...all('Msvm_SnapshotOfVirtualSystem', snapshots),
    ...all('Msvm_MostCurrentSnapshotInBranch', snapshots.slice(-1)),
    ...all('Msvm_ReferencePointOfVirtualSystem', visibleReferencePoints(vmms, vm)),
    ...all('Msvm_SystemDevice', vssComponents(vm)),
    ...all('Msvm_SystemExportSettingData', [exportSettings(vm)]),
    ...all('Msvm_ElementSettingData', [mergeSettings(vm, !vmms.merges.isLocked(vm.id))]),
  ];
}

function ofSettings(vmms: Vmms, instanceId: string): readonly Neighbour[] {
  const { world } = vmms;
  const planned = vmms.planned.get(guidIn(instanceId));
  if (planned !== undefined) {
    return [
      ...all('Msvm_VirtualSystemSettingDataComponent', planned.resources),
      ...all('Msvm_SettingsDefineState', [plannedSystemInstance(planned)]),
    ];
  }
  const active = world.vm(guidIn(instanceId));
  if (active !== undefined) {
    return [
      ...all('Msvm_VirtualSystemSettingDataComponent', resourcesOf(world, activeMachine(active))),
      ...all('Msvm_SettingsDefineState', systemsOf(vmms, active.id)),
    ];
  }
  for (const vm of world.vms()) {
    const snapshot = visibleSnapshots(vmms, vm).find((entry) => entry.id === instanceId);
    if (snapshot === undefined) continue;
    return [
      ...all('Msvm_VirtualSystemSettingDataComponent', resourcesOf(world, snapshot.machine)),
      ...all('Msvm_SnapshotOfVirtualSystem', systemsOf(vmms, vm.id)),
    ];
  }
  return [];
}

/** The VM of that id, as a list. */
function systemsOf(vmms: Vmms, vmId: string): readonly Instance[] {
  const system = find(vmms, vmReference(vmId));
  return system === undefined ? [] : [system];
}

function ofJob(vmms: Vmms, id: string): readonly Neighbour[] {
  const job = vmms.jobs.get(id);
  if (job === undefined || vmms.faults.now.noAffectedElements) return [];
  const association =
    job.reference.className === 'Msvm_StorageJob' ? 'Msvm_AffectedStorageJobElement' : 'Msvm_AffectedJobElement';
  return all(
    association,
    job.affected.flatMap((reference) => find(vmms, reference) ?? []),
  );
}

/** Resources and the settings they are part of. */
function ofResource(vmms: Vmms, instanceId: string): readonly Neighbour[] {
  const settings = find(vmms, {
    className: 'Msvm_VirtualSystemSettingData',
    keys: { InstanceID: `Microsoft:${guidIn(instanceId)}` },
  });
  return settings === undefined ? [] : all('Msvm_VirtualSystemSettingDataComponent', [settings]);
}

function neighbours(vmms: Vmms, source: Reference): readonly Neighbour[] {
  const { className } = source;
  const instanceId = keyText(source, 'InstanceID');
  switch (className) {
    case 'Msvm_ComputerSystem': {
      const vm = vmms.world.vm(keyText(source, 'Name'));
      return vm === undefined ? [] : ofVm(vmms, vm);
    }
    case 'Msvm_PlannedComputerSystem': {
      const planned = vmms.planned.get(keyText(source, 'Name'));
      return planned === undefined ? [] : all('Msvm_SettingsDefineState', [planned.settings]);
    }
    case 'Msvm_VirtualSystemSettingData':
      return ofSettings(vmms, instanceId);
    case 'Msvm_VirtualSystemReferencePoint': {
      return all('Msvm_ReferencePointOfVirtualSystem', systemsOf(vmms, keyText(source, 'VirtualSystemIdentifier')));
    }
    case 'Msvm_VssComponent': {
      return all('Msvm_SystemDevice', systemsOf(vmms, keyText(source, 'SystemName')));
    }
    case 'Msvm_ConcreteJob':
    case 'Msvm_StorageJob':
      return ofJob(vmms, instanceId);
    default:
      return ofResource(vmms, instanceId);
  }
}

/** What is associated with an instance. Throws 0x80041002 when that is not there. */
export function associated(
  vmms: Vmms,
  source: Reference,
  association: string | undefined,
  resultClass: string | undefined,
): readonly Instance[] {
  if (vmms.faults.now.notElevated) return [];
  const isJob = isA(source.className, 'CIM_ConcreteJob');
  // Looking at a job's elements is no question about the job.
  const exists = isJob ? vmms.jobs.get(keyText(source, 'InstanceID')) : find(vmms, source);
  if (exists === undefined) throw new WmiFailure(0x80041002, 'NotFound', `Not found: ${source.className}`);
  return neighbours(vmms, source)
    .filter((entry) => association === undefined || isA(entry.association, association))
    .map((entry) => entry.instance)
    .filter((instance) => resultClass === undefined || isA(instance.className, resultClass));
}
