/**
 * Building blocks of a schema: from one declaration come the type, the check with positions, the JSON Schema, and what completion and
 * hover show.
 */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Node, Pair } from 'yaml';

import type { DiagnosticCode, Fix, Severity, TextRange } from '../diagnostic.ts';

/** The place of a value: keys of mappings and indexes of lists. */
export type PolicyPath = readonly (string | number)[];

/** What a check reports to. */
export interface Check {
  /** `node` is the place; without one (an empty value) the key of `path` is. */
  report(
    node: Node | null | undefined,
    path: PolicyPath,
    finding: {
      readonly code: DiagnosticCode;
      readonly message: string;
      readonly severity?: Severity;
      readonly fixes?: readonly Fix[];
      /** Candidates for what was meant: the nearest is offered as a fix. */
      readonly candidates?: readonly string[];
      /** A key that is there a second time. */
      readonly twice?: { readonly first: Pair; readonly second: Pair };
      /** Mark the key of the entry instead of its value. */
      readonly atKey?: boolean;
    },
  ): void;
}

/** A value offered by completion. */
export interface ValueExample {
  readonly value: string;
  readonly description: string;
}

/** JSON Schema (draft 7) of one value. */
export type JsonSchema = Readonly<Record<string, unknown>>;

interface SchemaBase<T> {
  /** Markdown: what hover, completion and the JSON Schema say. */
  readonly description: string;
  json(): JsonSchema;
  /** The typed value, or undefined after at least one report. */
  check(node: Node | null | undefined, path: PolicyPath, check: Check): T | undefined;
}

/** One scalar. */
export interface ScalarSchema<T> extends SchemaBase<T> {
  readonly kind: 'scalar';
  /** What else than `examples` completion offers: names that the inventory has. */
  readonly names: NameKind | undefined;
  /** Values that can be chosen or that show how one looks. */
  readonly examples: readonly ValueExample[];
  /** Whether nothing but the examples is allowed. */
  readonly closed: boolean;
  /** What holds when the key is absent, as it is written. */
  readonly fallback: string | undefined;
  /** The value as a policy file writes it: `10m`, `"22:00"`, `200MiB/s`. */
  written(value: T): string;
}

/** What a scalar names. */
export type NameKind = 'host' | 'vm' | 'disk' | 'repository' | 'timezone' | 'cron';

/** A list; `T` is the type of the whole list. */
export interface ListSchema<T> extends SchemaBase<T> {
  readonly kind: 'list';
  readonly item: Schema<unknown>;
}

/** One key of a mapping. */
export interface Field<T> {
  readonly schema: Schema<T>;
  readonly required: boolean;
}

/** A mapping with these keys and no others. */
export interface MappingSchema<T> extends SchemaBase<T> {
  readonly kind: 'mapping';
  readonly fields: ReadonlyMap<string, Field<unknown>>;
}

export type Schema<T> = ScalarSchema<T> | ListSchema<T> | MappingSchema<T>;

/** Where a scalar is that can be replaced by another text: one that is not laid out over lines. */
export function placeOf(node: Node | null | undefined): TextRange | undefined {
  if (!isScalar(node) || node.value === null || node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED')
    return undefined;
  const { range } = node;
  return range === undefined || range === null ? undefined : { start: range[0], end: range[1] };
}

/** What YAML calls a value, for people. */
export function kindOf(node: Node | null | undefined): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  if (typeof node.value === 'string') return 'a text';
  if (typeof node.value === 'boolean') return 'true or false';
  return typeof node.value === 'number' ? 'a number' : 'a value of another type';
}
