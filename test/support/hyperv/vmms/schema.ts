/** The class tree of `root\virtualization\v2`, and which properties each class has. */
import { readFileSync } from 'node:fs';

import { boolean, json, object, optional, record, string } from '../../../../server/protocol/parse.ts';

const property = object({ type: string(), array: optional(boolean) });
const schemaClass = object({
  extends: optional(string()),
  properties: record(property),
});

const file = new URL('../../../fixtures/hyperv/schema.json', import.meta.url);
const classes = new Map(Object.entries(json(readFileSync(file, 'utf8'), record(schemaClass), 'schema.json')));

/** Whether the namespace has such a class. */
export const isClass = (className: string): boolean => classes.has(className);

/** Whether `className` is `base` or derived from it. */
export function isA(className: string, base: string): boolean {
  for (let name: string | undefined = className; name !== undefined; name = classes.get(name)?.extends) {
    if (name === base) return true;
  }
  return false;
}

/** The type of a property, with `[]` for arrays; undefined when the class has no such property. */
export function propertyType(className: string, name: string): string | undefined {
  for (let at: string | undefined = className; at !== undefined; at = classes.get(at)?.extends) {
    const found = classes.get(at)?.properties[name];
    if (found !== undefined) return found.array === true ? `${found.type}[]` : found.type;
  }
  return undefined;
}
