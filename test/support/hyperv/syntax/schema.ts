/** The schema of `root\virtualization\v2` for the judge: classes with what they inherit. Names are compared without regard to case. */
import { readFileSync } from 'node:fs';

import {
  array,
  boolean,
  json,
  nullable,
  object,
  oneOf,
  optional,
  record,
  string,
} from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';

/** The type of a property or parameter: `uint16`, `ref:CIM_Job`. */
export interface CimType {
  readonly name: string;
  readonly array: boolean;
}

export interface Parameter extends CimType {
  readonly parameter: string;
  readonly direction: 'in' | 'out' | 'inout' | 'out,optional';
}

export interface CimClass {
  readonly name: string;
  readonly properties: ReadonlyMap<string, CimType>;
  readonly methods: ReadonlyMap<string, readonly Parameter[]>;
}

/** Finds a class by name in any case. */
export type FindClass = (name: string) => CimClass | undefined;

/** Other fields of the file are not read here. */
const some =
  <T>(parser: Parser<T>, names: readonly string[]): Parser<T> =>
  (value, path) =>
    parser(
      typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name)))
        : value,
      path,
    );
const property = some(object({ type: string(), array: optional(boolean) }), ['type', 'array']);
const method = some(
  object({
    parameters: array(
      some(
        object({
          name: string(),
          type: string(),
          dir: oneOf('in', 'out', 'inout', 'out,optional'),
          array: optional(boolean),
        }),
        ['name', 'type', 'dir', 'array'],
      ),
    ),
  }),
  ['parameters'],
);
const cimClass = some(object({ extends: nullable(string()), properties: record(property), methods: record(method) }), [
  'extends',
  'properties',
  'methods',
]);

/** Reads the schema, and the little one of `root\cimv2` that the test PowerShell has. */
export function readSchema(): FindClass {
  const files = [
    new URL('../../../fixtures/hyperv/schema.json', import.meta.url),
    new URL('../../../dotnet/pwsh/Cim/cimv2.json', import.meta.url),
  ];
  const all = new Map(
    files.flatMap((file) =>
      Object.entries(json(readFileSync(file, 'utf8'), record(cimClass), file.pathname)).map(
        ([name, one]) => [name.toLowerCase(), { name, one }] as const,
      ),
    ),
  );
  return (className) => {
    const found = all.get(className.toLowerCase());
    if (found === undefined) return undefined;
    const properties = new Map<string, CimType>();
    const methods = new Map<string, readonly Parameter[]>();
    for (
      let at: typeof found | undefined = found;
      at !== undefined;
      at = all.get(at.one.extends?.toLowerCase() ?? '')
    ) {
      for (const [name, one] of Object.entries(at.one.properties))
        if (!properties.has(name.toLowerCase()))
          properties.set(name.toLowerCase(), { name: one.type, array: one.array === true });
      for (const [name, one] of Object.entries(at.one.methods))
        if (!methods.has(name.toLowerCase()))
          methods.set(
            name.toLowerCase(),
            one.parameters.map((p) => ({ parameter: p.name, name: p.type, array: p.array === true, direction: p.dir })),
          );
    }
    return { name: found.name, properties, methods };
  };
}
