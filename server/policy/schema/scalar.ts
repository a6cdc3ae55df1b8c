/** Schemas of single values. */
import { isScalar } from 'yaml';
import type { Node } from 'yaml';

import { diagnosticCodes } from '../diagnostic.ts';
import type { DiagnosticCode, Fix } from '../diagnostic.ts';
import { kindOf, placeOf } from './schema.ts';
import { writtenText } from './write.ts';
import type { Check, JsonSchema, NameKind, PolicyPath, ScalarSchema, ValueExample } from './schema.ts';

interface ScalarOptions {
  readonly description: string;
  readonly examples?: readonly ValueExample[];
  readonly names?: NameKind;
  readonly fallback?: string;
}

const common = ({ examples = [], names, fallback }: ScalarOptions) => ({
  kind: 'scalar' as const,
  examples,
  names,
  fallback,
});

/** A text, or what `parse` makes of it. */
export function text<T = string>(
  options: ScalarOptions & {
    readonly maxLength: number;
    /** What is wanted, for people: `must be …`. */
    readonly what: string;
    /** For the JSON Schema; `parse` decides. */
    readonly pattern?: RegExp;
    readonly code?: DiagnosticCode;
    /** What a wrong text may have been meant to be. */
    readonly candidates?: () => readonly string[];
    /** What of a refused text is wrong, as a sentence; undefined when that cannot be told. */
    readonly whyNot?: (value: string) => string | undefined;
    /** Undefined: the text is refused. */
    readonly parse: (value: string) => T | undefined;
    /** The text that gives this value; absent when the value is the text. */
    readonly format?: (value: T) => string;
  },
): ScalarSchema<T> {
  const { description, maxLength, what, pattern, code = diagnosticCodes.valueNotAllowed, parse } = options;
  return {
    ...common(options),
    description,
    closed: false,
    written: (value) => writtenText(options.format?.(value) ?? String(value)),
    json: () => ({
      type: 'string',
      description,
      minLength: 1,
      maxLength,
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
      ...(options.fallback === undefined ? {} : { default: options.fallback }),
      ...(options.examples === undefined ? {} : { examples: options.examples.map(({ value }) => valueOf(value)) }),
    }),
    check: (node, path, check) => {
      const value = textOf(node, path, check, what);
      if (value === undefined) return undefined;
      if (!isText(value)) {
        const message = `${nameOf(path)} has a character that is none of a text.`;
        check.report(node, path, { code: diagnosticCodes.valueNotAllowed, message });
        return undefined;
      }
      const parsed = value.length === 0 || value.length > maxLength ? undefined : parse(value);
      if (parsed === undefined) {
        const isLong = value.length > maxLength;
        const length = isLong ? `, at most ${maxLength} characters long` : '';
        const whyNot = isLong ? undefined : options.whyNot?.(value);
        check.report(node, path, {
          code,
          message: `${nameOf(path)} must be ${what}${length}.${whyNot === undefined ? '' : ` ${whyNot}`}`,
          candidates: options.candidates?.() ?? [],
        });
      }
      return parsed;
    },
  };
}

/** One of some words. */
export function choice<const T extends string>(
  options: { readonly description: string; readonly fallback?: NoInfer<T> },
  values: Readonly<Record<T, string>>,
): ScalarSchema<T> {
  const words = keysOf(values);
  const examples = words.map((value) => ({ value, description: values[value] }));
  return {
    ...common({ ...options, examples }),
    description: options.description,
    closed: true,
    written: (value) => value,
    json: () => ({
      description: options.description,
      enum: words,
      // Read by VS Code's JSON and YAML services.
      enumDescriptions: examples.map(({ description }) => description),
      ...(options.fallback === undefined ? {} : { default: options.fallback }),
    }),
    check: (node, path, check) => {
      const what = `one of ${words.join(', ')}`;
      const value = textOf(node, path, check, what);
      if (value === undefined) return undefined;
      const found = words.find((word) => word === value);
      if (found === undefined) {
        const message = `${nameOf(path)} must be ${what}.`;
        check.report(node, path, { code: diagnosticCodes.valueNotAllowed, message, candidates: words });
      }
      return found;
    },
  };
}

/** A whole number. */
export function wholeNumber(
  options: ScalarOptions & { readonly min: number; readonly max: number },
): ScalarSchema<number> {
  const { description, min, max } = options;
  return {
    ...common(options),
    description,
    closed: false,
    written: String,
    json: (): JsonSchema => ({
      type: 'integer',
      description,
      minimum: min,
      maximum: max,
      ...(options.fallback === undefined ? {} : { default: Number(options.fallback) }),
    }),
    check: (node, path, check) => {
      const value = isScalar(node) ? node.value : undefined;
      if (typeof value !== 'number') {
        const message = `${nameOf(path)} must be a whole number from ${min} to ${max}, not ${kindOf(node)}.`;
        check.report(node, path, { code: diagnosticCodes.wrongType, message, fixes: withoutQuotes(node, min, max) });
        return undefined;
      }
      if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
      const message = `${nameOf(path)} must be a whole number from ${min} to ${max}.`;
      check.report(node, path, { code: diagnosticCodes.valueNotAllowed, message });
      return undefined;
    },
  };
}

/** The text of a scalar. A number or a truth value without quotes, such as the VM name `2024`, is told how to write it. */
function textOf(node: Node | null | undefined, path: PolicyPath, check: Check, what: string): string | undefined {
  if (isScalar(node) && typeof node.value === 'string') return node.value;
  const source = isScalar(node) ? node.source : undefined;
  const range = placeOf(node);
  const fixes =
    source === undefined || range === undefined
      ? []
      : [{ title: `Put it in quotes: "${source}"`, edits: [{ range, text: JSON.stringify(source) }], preferred: true }];
  const message = `${nameOf(path)} must be ${what}, not ${kindOf(node)}.`;
  check.report(node, path, { code: diagnosticCodes.wrongType, message, fixes });
  return undefined;
}

/** Without control characters but ends of lines and tabs, and without halves of characters, which quotes can bring in: `"\\0"`. */
function isText(value: string): boolean {
  return value.isWellFormed() && !/[^\P{Cc}\n\t]/u.test(value);
}

/** A number in quotes is a text. */
function withoutQuotes(node: Node | null | undefined, min: number, max: number): readonly Fix[] {
  const digits = isScalar(node) && typeof node.value === 'string' && /^\d{1,9}$/.test(node.value) ? node.value : '';
  const range = placeOf(node);
  if (digits === '' || Number(digits) < min || Number(digits) > max || range === undefined) return [];
  const edits = [{ range, text: `${Number(digits)}` }];
  return [{ title: 'Write it without quotes', edits, preferred: true }];
}

/** An example as a value: without the quotes that YAML needs. */
function valueOf(example: string): string {
  return /^"[^"\\]*"$/.test(example) ? example.slice(1, -1) : example;
}

/** How messages name a place: `retry.delay`, `select[0].vms[2]`; the policy itself has no name. */
export function nameOf(path: PolicyPath): string {
  let name = '';
  for (const part of path) {
    if (typeof part === 'number') name += `[${part}]`;
    else name += name === '' ? part : `.${part}`;
  }
  return name === '' ? 'A policy' : name;
}

function keysOf<T extends string>(record: Readonly<Record<T, string>>): readonly T[] {
  const keys: T[] = [];
  for (const key in record) keys.push(key);
  return keys;
}
