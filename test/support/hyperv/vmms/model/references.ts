/** References to instances: which properties are keys. */
import { plainText } from '../wire.ts';
import type { Instance, Reference, Value } from '../wire.ts';

const systemKeys = ['CreationClassName', 'Name'] as const;
const serviceKeys = ['SystemCreationClassName', 'SystemName', 'CreationClassName', 'Name'] as const;
const deviceKeys = ['SystemCreationClassName', 'SystemName', 'CreationClassName', 'DeviceID'] as const;

const keysOfClass: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['Msvm_ComputerSystem', systemKeys],
  ['Msvm_PlannedComputerSystem', systemKeys],
  ['Msvm_VirtualEthernetSwitch', systemKeys],
  ['Msvm_VirtualSystemManagementService', serviceKeys],
  ['Msvm_VirtualSystemSnapshotService', serviceKeys],
  ['Msvm_VirtualSystemReferencePointService', serviceKeys],
  ['Msvm_ImageManagementService', serviceKeys],
  ['Msvm_VssComponent', deviceKeys],
  ['Msvm_VirtualSystemReferencePoint', ['InstanceID', 'VirtualSystemIdentifier']],
]);

/** The reference to an instance. */
export function referenceTo({ className, properties }: Instance): Reference {
  const keys = keysOfClass.get(className) ?? ['InstanceID'];
  return { className, keys: Object.fromEntries(keys.map((key): [string, Value] => [key, properties[key] ?? null])) };
}

/** The reference to the VM of that id. */
export const vmReference = (id: string): Reference => ({
  className: 'Msvm_ComputerSystem',
  keys: { CreationClassName: 'Msvm_ComputerSystem', Name: id },
});

/** The reference to an instance that `InstanceID` alone identifies. */
export const instanceReference = (className: string, instanceId: string): Reference => ({
  className,
  keys: { InstanceID: instanceId },
});

const sameValue = (a: Value | undefined, b: Value): boolean =>
  plainText(a).toLowerCase() === plainText(b).toLowerCase();

/** Whether an instance has these key values. Keys that are null say nothing; without any other key nothing matches but a singleton. */
export const hasKeys = (instance: Instance, keys: Readonly<Record<string, Value>>): boolean =>
  Object.entries(keys).every(([name, key]) => key === null || sameValue(instance.properties[name], key));

/** The text of a key. */
export function keyText(reference: Reference, name: string): string {
  const key = reference.keys[name];
  return typeof key === 'string' ? key : '';
}
