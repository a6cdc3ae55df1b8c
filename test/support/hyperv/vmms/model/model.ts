/** The instances that there are now, by class: enumerated, looked up, filtered. */
import { cimv2, virtualization } from '../paths.ts';
import { isA, isClass } from '../schema.ts';
import { plainText, textOf, WmiFailure } from '../wire.ts';
import type { Condition, Instance, Reference, Value } from '../wire.ts';
import { isVisible, operationOf } from '../vmms.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import { hiddenIn, operatingSystem, serviceInstances, serviceSettings, switchInstances } from './host.ts';
import { activeMachine, guidIn, snapshotsOf } from './machine.ts';
import type { Snapshot } from './machine.ts';
import { plannedInstances } from './planned.ts';
import { hasKeys } from './references.ts';
import { resourcesOf } from './resources.ts';
import {
  activeSettings,
  exportSettings,
  hostSystem,
  mergeSettings,
  referencePointsOf,
  snapshotSettings,
  vmSystem,
  vssComponents,
} from './settings.ts';
import { definitions } from './templates.ts';

/** The snapshots of a VM that can be seen. */
export const visibleSnapshots = (vmms: Vmms, vm: Vm): readonly Snapshot[] =>
  snapshotsOf(vm).filter((snapshot) => isVisible(vmms, snapshot.id));

/** The reference points of a VM that can be seen. */
export const visibleReferencePoints = (vmms: Vmms, vm: Vm): readonly Instance[] =>
  referencePointsOf(vm, vmms.faults.now).filter((point) => isVisible(vmms, textOf(point, 'InstanceID')));

/** A VM's own objects, by class; each is made only when its class is asked for. */
const vmClasses: readonly (readonly [string, (vmms: Vmms, vm: Vm) => readonly Instance[]])[] = [
  ['Msvm_ComputerSystem', (vmms, vm) => [vmSystem(vm, vmms.faults.now, operationOf(vmms, vm.id))]],
  [
    'Msvm_VirtualSystemSettingData',
    (vmms, vm) => [activeSettings(vmms.world, vm), ...snapshotSettings(vmms.world, vm, visibleSnapshots(vmms, vm))],
  ],
  ['Msvm_VirtualSystemReferencePoint', visibleReferencePoints],
  ['Msvm_VssComponent', (_, vm) => vssComponents(vm)],
  ['Msvm_DiskMergeSettingData', (vmms, vm) => [mergeSettings(vm, !vmms.merges.isLocked(vm.id))]],
  ['Msvm_VirtualSystemExportSettingData', (_, vm) => [exportSettings(vm)]],
];

const resourceClasses = [
  'Msvm_ResourceAllocationSettingData',
  'Msvm_StorageAllocationSettingData',
  'Msvm_ProcessorSettingData',
  'Msvm_MemorySettingData',
  'Msvm_SyntheticEthernetPortSettingData',
  'Msvm_EthernetPortAllocationSettingData',
  'Msvm_SyntheticFcPortSettingData',
  'Msvm_FcPortAllocationSettingData',
] as const;

/** Resources of a VM and of its snapshots. */
const vmResources = (vmms: Vmms, vm: Vm): readonly Instance[] =>
  [activeMachine(vm), ...visibleSnapshots(vmms, vm).map((snapshot) => snapshot.machine)].flatMap((machine) =>
    resourcesOf(vmms.world, machine),
  );

/** What belongs to no VM. */
function hostInstances(vmms: Vmms): readonly Instance[] {
  const { world, faults } = vmms;
  return [
    hostSystem(world, faults.now),
    ...serviceInstances(world),
    serviceSettings(world),
    ...switchInstances(world),
    ...definitions(),
    ...vmms.planned.list().flatMap(plannedInstances),
  ];
}

function instancesOfVm(vmms: Vmms, vm: Vm, className: string): readonly Instance[] {
  const own = vmClasses.filter(([name]) => isA(name, className)).flatMap(([, make]) => make(vmms, vm));
  const wanted = resourceClasses.filter((name) => isA(name, className));
  if (wanted.length === 0) return own;
  return [...own, ...vmResources(vmms, vm).filter((instance) => isA(instance.className, className))];
}

/** The VMs that what is looked for can belong to: when it names a VM's GUID only that one. */
function candidates(vmms: Vmms, values: readonly Value[]): readonly Vm[] {
  for (const value of values) {
    if (typeof value !== 'string') continue;
    const guid = /^[0-9A-Fa-f-]{36}$/.test(value) ? value : guidIn(value);
    const vm = guid === '' ? undefined : vmms.world.vm(guid);
    if (vm !== undefined) return [vm];
  }
  return vmms.world.vms();
}

/** The instances of a class and its subclasses. `hints` are values that those wanted have somewhere. */
function instancesOf(vmms: Vmms, className: string, hints: readonly Value[]): readonly Instance[] {
  if (isA('Msvm_ConcreteJob', className) || isA('Msvm_StorageJob', className))
    return jobInstances(vmms, className, hints);
  const ofHost = hostInstances(vmms).filter((instance) => isA(instance.className, className));
  return [...ofHost, ...candidates(vmms, hints).flatMap((vm) => instancesOfVm(vmms, vm, className))];
}

/** A job that is asked for moves on; those beside it do not. */
function jobInstances(vmms: Vmms, className: string, hints: readonly Value[]): readonly Instance[] {
  return vmms.jobs
    .list()
    .filter((job) => isA(job.reference.className, className) && (hints.length === 0 || hints.includes(job.id)))
    .map((job) => job.instance());
}

const meets = (instance: Instance, { property, value }: Condition): boolean => {
  const found = instance.properties[property];
  if (found === null || found === undefined) return false;
  return plainText(found).toLowerCase() === value.toLowerCase();
};

function checkClass(namespace: string, className: string): void {
  const known = namespace.toLowerCase() === cimv2 ? className === 'Win32_OperatingSystem' : isClass(className);
  if (!known) throw new WmiFailure(0x80041010, 'InvalidClass', `Invalid class "${className}".`);
}

function checkNamespace(namespace: string): void {
  const known = [virtualization, cimv2].includes(namespace.toLowerCase());
  if (!known) throw new WmiFailure(0x8004100e, 'InvalidNamespace', `Invalid namespace "${namespace}".`);
}

/** All instances of a class that meet every condition. */
export function enumerate(
  vmms: Vmms,
  namespace: string,
  className: string,
  where: readonly Condition[],
): readonly Instance[] {
  checkNamespace(namespace);
  checkClass(namespace, className);
  if (namespace.toLowerCase() === cimv2) {
    return [operatingSystem(vmms.world, vmms.bootedAt, new Date(vmms.now()))].filter((instance) =>
      where.every((condition) => meets(instance, condition)),
    );
  }
  if (vmms.faults.now.notElevated) return [];
  return instancesOf(
    vmms,
    className,
    where.map((condition) => condition.value),
  ).filter((instance) => where.every((condition) => meets(instance, condition)));
}

/** The instance that a reference means; undefined when there is none. */
export function find(vmms: Vmms, { className, keys }: Reference): Instance | undefined {
  if (vmms.faults.now.notElevated) return undefined;
  const given = Object.values(keys).filter((key) => key !== null);
  const found = instancesOf(vmms, className, given).filter((instance) => hasKeys(instance, keys));
  return found.length === 1 || given.length > 0 ? found[0] : undefined;
}

/** The instance that a reference means. Throws 0x80041002. */
export function get(vmms: Vmms, namespace: string, reference: Reference): Instance {
  checkNamespace(namespace);
  checkClass(namespace, reference.className);
  const found =
    namespace.toLowerCase() === cimv2 ? enumerate(vmms, namespace, reference.className, [])[0] : find(vmms, reference);
  if (found === undefined) throw new WmiFailure(0x80041002, 'NotFound', `Not found: ${reference.className}`);
  return found;
}

/** Leaves out the properties that this build does not have. */
export function ofBuild(vmms: Vmms, instance: Instance): Instance {
  const hidden = hiddenIn(vmms.world.host.build);
  if (hidden.length === 0) return instance;
  const kept = Object.entries(instance.properties).filter(
    ([name]) => !hidden.includes(`${instance.className}.${name}`),
  );
  return { className: instance.className, properties: Object.fromEntries(kept) };
}
