/** Reading the arguments of methods. What cannot be is 32773, as the vendor's methods answer. */
import { invalidParameter } from '../failures.ts';
import { parsePathText } from '../paths.ts';
import { isA } from '../schema.ts';
import { isInstance, isList, isReference } from '../wire.ts';
import type { Instance, Reference, Value } from '../wire.ts';
import { keyText } from '../model/references.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';

export type Arguments = Readonly<Record<string, Value>>;

/** A reference to an instance of `className` or of a subclass. */
export function referenceArgument(given: Arguments, name: string, className: string): Reference {
  const found = given[name];
  if (!isReference(found) || !isA(found.className, className)) throw invalidParameter(`${name} is no ${className}.`);
  return found;
}

/** A list of references. */
export function referencesArgument(given: Arguments, name: string): readonly Reference[] {
  const found = given[name];
  if (!isList(found)) throw invalidParameter(`${name} is no list.`);
  return found.map((item) => (isReference(item) ? item : fail(name)));
}

function fail(name: string): never {
  throw invalidParameter(`${name} is not valid.`);
}

/** A text that is not empty. */
export function textArgument(given: Arguments, name: string): string {
  const found = given[name];
  return typeof found === 'string' && found !== '' ? found : fail(name);
}

/** A text; undefined when it is null or empty. */
export function optionalTextArgument(given: Arguments, name: string): string | undefined {
  const found = given[name];
  if (found === null || found === undefined || found === '') return undefined;
  return typeof found === 'string' ? found : fail(name);
}

/** A number of up to 32 bits. */
export function numberArgument(given: Arguments, name: string): number {
  const found = given[name];
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : fail(name);
}

/** A 64-bit number, a decimal text on the wire. */
export function bigArgument(given: Arguments, name: string): bigint {
  const found = given[name];
  return typeof found === 'string' && /^\d{1,20}$/.test(found) ? BigInt(found) : fail(name);
}

/** True or false; false when it is null. */
export function booleanArgument(given: Arguments, name: string): boolean {
  const found = given[name];
  if (found === null || found === undefined) return false;
  return typeof found === 'boolean' ? found : fail(name);
}

/** An embedded instance of exactly this class. */
export function embeddedArgument(given: Arguments, name: string, className: string): Instance {
  const found = given[name];
  return isInstance(found) && found.className === className ? found : fail(name);
}

/** An embedded instance; undefined when it is null or an empty text. */
export function optionalEmbeddedArgument(given: Arguments, name: string, className: string): Instance | undefined {
  const found = given[name];
  return found === null || found === undefined || found === '' ? undefined : embeddedArgument(given, name, className);
}

/** A list of embedded instances; an absent one is empty. */
export function embeddedListArgument(given: Arguments, name: string): readonly Instance[] {
  const found = given[name];
  if (found === null || found === undefined) return [];
  if (!isList(found)) return fail(name);
  return found.map((item) => (isInstance(item) ? item : fail(name)));
}

/** A number property of an embedded instance; undefined when it is null. */
export function numberProperty(instance: Instance, name: string): number | undefined {
  const found = instance.properties[name];
  if (found === null || found === undefined) return undefined;
  return typeof found === 'number' ? found : fail(name);
}

/** A boolean property of an embedded instance. */
export function booleanProperty(instance: Instance, name: string, otherwise: boolean): boolean {
  const found = instance.properties[name];
  if (found === null || found === undefined) return otherwise;
  return typeof found === 'boolean' ? found : fail(name);
}

/** The realised VM that a parameter means. */
export function vmArgument(vmms: Vmms, given: Arguments, name: string): Vm {
  const found = vmms.world.vm(keyText(referenceArgument(given, name, 'Msvm_ComputerSystem'), 'Name'));
  if (found === undefined) throw invalidParameter(`There is no such virtual machine.`);
  return found;
}

/** The reference in a property that holds an object path as text; undefined when it is null. */
export function pathProperty(vmms: Vmms, instance: Instance, name: string): Reference | undefined {
  const found = instance.properties[name];
  if (found === null || found === undefined || found === '') return undefined;
  const reference = typeof found === 'string' ? parsePathText(vmms.world.computerName, found) : undefined;
  return reference ?? fail(name);
}
