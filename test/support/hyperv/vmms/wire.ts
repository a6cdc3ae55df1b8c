/**
 * What goes over the wire between the CIM cmdlets of the test host (C#) and this fake: one JSON document a line.
 * Numbers up to 32 bits are JSON numbers, 64-bit ones decimal texts, dates RFC 3339 in UTC.
 */
import { refuse } from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';

/** A reference to an instance: its class and its keys. */
export interface Reference {
  readonly className: string;
  readonly keys: Readonly<Record<string, Value>>;
}

/** An instance; also one that is embedded in another. A property that is absent is null. */
export interface Instance {
  readonly className: string;
  readonly properties: Readonly<Record<string, Value>>;
}

/** A value of a property, a parameter or a key. */
export type Value = null | boolean | number | string | Reference | Instance | readonly Value[];

/** An equation of a WQL filter. */
export interface Condition {
  readonly property: string;
  readonly value: string;
}

/** An error of WMI itself (not a return code): the cmdlet throws. */
export class WmiFailure extends Error {
  override readonly name = 'WmiFailure';
  readonly hresult: number;
  readonly nativeErrorCode: string;

  constructor(hresult: number, nativeErrorCode: string, message: string) {
    super(message);
    this.hresult = hresult;
    this.nativeErrorCode = nativeErrorCode;
  }
}

/** `0x` and eight hexadecimal digits. */
export const hexText = (hresult: number): string => `0x${hresult.toString(16).toUpperCase().padStart(8, '0')}`;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valuesOf(source: object, path: string): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(source).map(([name, item]) => [name, value(item, `${path}.${name}`)]));
}

/** Parses any value of the wire. */
export const value: Parser<Value> = (input, path) => {
  if (input === null || input === undefined) return null;
  if (typeof input === 'boolean' || typeof input === 'number' || typeof input === 'string') return input;
  if (Array.isArray(input)) return input.map((item: unknown, at) => value(item, `${path}[${at}]`));
  if (!isObject(input) || !('className' in input) || typeof input.className !== 'string') {
    return refuse(path, 'a value');
  }
  const { className } = input;
  if ('keys' in input && isObject(input.keys)) return { className, keys: valuesOf(input.keys, path) };
  if ('properties' in input && isObject(input.properties)) {
    return { className, properties: valuesOf(input.properties, path) };
  }
  return refuse(path, 'a reference or an instance');
};

/** Named values: keys, or the arguments of a method. */
export const values: Parser<Readonly<Record<string, Value>>> = (input, path) =>
  isObject(input) ? valuesOf(input, path) : refuse(path, 'an object');

/** Whether a value is a reference. */
export const isReference = (input: Value | undefined): input is Reference =>
  typeof input === 'object' && input !== null && 'keys' in input && typeof input.keys === 'object';

/** Whether a value is an embedded instance. */
export const isInstance = (input: Value | undefined): input is Instance =>
  typeof input === 'object' && input !== null && 'properties' in input && typeof input.properties === 'object';

/** Whether a value is an array. */
export const isList = (input: Value | undefined): input is readonly Value[] => Array.isArray(input);

/** The text of a property; empty when it is none. */
export function textOf(instance: Instance, property: string): string {
  const found = instance.properties[property];
  return typeof found === 'string' ? found : '';
}

/** A number, a truth value or a text as text; empty for everything else. */
export function plainText(input: Value | undefined): string {
  return typeof input === 'string' || typeof input === 'number' || typeof input === 'boolean' ? String(input) : '';
}

/** The texts of an array property. */
export function textsOf(instance: Instance, property: string): readonly string[] {
  const found = instance.properties[property];
  return isList(found) ? found.filter((item) => typeof item === 'string') : [];
}
