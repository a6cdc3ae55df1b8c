/** Schemas of lists and mappings. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Node, Pair, YAMLMap } from 'yaml';

import { diagnosticCodes } from '../diagnostic.ts';
import { nameOf } from './scalar.ts';
import { writtenText } from './write.ts';
import { kindOf, placeOf } from './schema.ts';
import type { Check, Field, JsonSchema, ListSchema, MappingSchema, PolicyPath, Schema } from './schema.ts';

/** A list of at least one item. */
export function list<T>(
  options: { readonly description: string; readonly maxItems: number },
  item: Schema<T>,
): ListSchema<readonly T[]> {
  const { description, maxItems } = options;
  return {
    kind: 'list',
    description,
    item,
    json: () => ({ type: 'array', description, minItems: 1, maxItems, items: item.json() }),
    check: (node, path, check) => {
      if (!isSeq(node)) {
        const message = `${nameOf(path)} must be a list, not ${kindOf(node)}.`;
        check.report(node, path, { code: diagnosticCodes.wrongType, message, fixes: asList(node) });
        return undefined;
      }
      if (node.items.length === 0 || node.items.length > maxItems) {
        const message = `${nameOf(path)} must be a list of 1 to ${maxItems} entries.`;
        check.report(node, path, { code: diagnosticCodes.valueNotAllowed, message });
        return undefined;
      }
      const values = node.items.map((entry, index) => item.check(nodeOf(entry), [...path, index], check));
      const complete = values.flatMap((value) => (value === undefined ? [] : [value]));
      return complete.length === values.length ? complete : undefined;
    },
  };
}

/** A key that must be there. */
export function required<T>(schema: Schema<T>): Field<T> & { readonly required: true } {
  return { schema, required: true };
}

/** A key that may be absent. */
export function optional<T>(schema: Schema<T>): Field<T> & { readonly required: false } {
  return { schema, required: false };
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** What a mapping with these fields gives. */
export type MappingOf<F extends Fields> = {
  readonly [K in keyof F as F[K] extends { readonly required: true } ? K : never]: ValueOf<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends { readonly required: true } ? never : K]?: ValueOf<F[K]>;
};

/** A mapping with the given keys. */
export function mapping<const F extends Fields>(description: string, shape: F): MappingSchema<MappingOf<F>> {
  const fields = new Map<string, Field<unknown>>(Object.entries(shape));
  return {
    kind: 'mapping',
    description,
    fields,
    json: () => mappingJson(description, fields),
    check: (node, path, check) => {
      const values = checkFields(fields, node, path, check);
      if (values === undefined || !values.complete) return undefined;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked field by field against the shape
      return Object.fromEntries(values.found) as MappingOf<F>;
    },
  };
}

/** The valid values of a mapping; `complete` when nothing was reported. Undefined when it is no mapping. */
export function checkFields(
  fields: ReadonlyMap<string, Field<unknown>>,
  node: Node | null | undefined,
  path: PolicyPath,
  check: Check,
): { readonly found: ReadonlyMap<string, unknown>; readonly complete: boolean } | undefined {
  if (!isMap(node)) {
    const message = `${nameOf(path)} must be a mapping of keys to values, not ${kindOf(node)}.`;
    check.report(node, path, { code: diagnosticCodes.wrongType, message });
    return undefined;
  }
  const found = new Map<string, unknown>();
  const seen = new Map<string, Pair>();
  let complete = true;
  for (const pair of node.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : undefined;
    const field = key === undefined ? undefined : fields.get(key);
    const value = nodeOf(pair.value);
    if (key === undefined || field === undefined || seen.has(key)) {
      complete = false;
      reportKey(pair, key, { fields, path, check, first: key === undefined ? undefined : seen.get(key) });
      continue;
    }
    seen.set(key, pair);
    const checked = field.schema.check(value, [...path, key], check);
    if (checked === undefined) complete = false;
    else found.set(key, checked);
  }
  for (const [key, field] of fields) {
    if (!field.required || seen.has(key)) continue;
    complete = false;
    const message = `${path.length === 0 ? 'A policy' : nameOf(path)} needs the key "${key}".`;
    check.report(firstKey(node) ?? node, path, { code: diagnosticCodes.missingKey, message });
  }
  return { found, complete };
}

function reportKey(
  pair: Pair,
  key: string | undefined,
  place: {
    readonly fields: ReadonlyMap<string, Field<unknown>>;
    readonly path: PolicyPath;
    readonly check: Check;
    readonly first: Pair | undefined;
  },
): void {
  const { fields, path, check, first } = place;
  const node = nodeOf(pair.key) ?? nodeOf(pair.value);
  if (key === undefined) {
    check.report(node, path, { code: diagnosticCodes.wrongType, message: 'A key must be a word.' });
    return;
  }
  if (first !== undefined) {
    check.report(node, path, {
      code: diagnosticCodes.duplicateKey,
      message: `The key "${key}" is here twice.`,
      twice: { first, second: pair },
    });
    return;
  }
  const where = path.length === 0 ? 'a policy' : nameOf(path);
  check.report(node, path, {
    code: diagnosticCodes.unknownKey,
    message: `There is no key "${key.slice(0, 64)}" in ${where}.`,
    candidates: [...fields.keys()],
  });
}

/** A key, so that what is missing marks one word and not the whole file. */
function firstKey(node: YAMLMap): Node | undefined {
  return nodeOf(node.items[0]?.key) ?? undefined;
}

function mappingJson(description: string, fields: ReadonlyMap<string, Field<unknown>>): JsonSchema {
  const needed = [...fields].filter(([, field]) => field.required).map(([key]) => key);
  return {
    type: 'object',
    description,
    properties: Object.fromEntries([...fields].map(([key, field]) => [key, field.schema.json()])),
    ...(needed.length === 0 ? {} : { required: needed }),
    additionalProperties: false,
  };
}

/** A single value where a list is wanted: in brackets it is one. */
function asList(node: Node | null | undefined) {
  const range = placeOf(node);
  if (!isScalar(node) || range === undefined) return [];
  const text = typeof node.value === 'string' ? writtenText(node.value) : node.source;
  return [{ title: 'Make it a list', edits: [{ range, text: `[${text ?? ''}]` }], preferred: true }];
}

/** Values and keys of a parsed document are nodes; an absent one is null. */
function nodeOf(value: unknown): Node | null {
  return isScalar(value) || isMap(value) || isSeq(value) ? value : null;
}
