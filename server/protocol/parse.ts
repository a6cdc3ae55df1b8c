/**
 * Parsers for what comes from outside (wire, files): small functions that turn `unknown` into a typed value
 * or refuse it with an error naming the place. Types are inferred from the parsers, so the two cannot differ.
 */
import { errorCodes, TidemarkError } from './errors.ts';

/** Turns `value` into a `T`, or throws `TM1001` naming `path`, the place of the value in its document. */
export type Parser<T> = (value: unknown, path: string) => T;

/** The type a parser gives. */
export type Parsed<P> = P extends Parser<infer T> ? T : never;

const optionalMark: unique symbol = Symbol('optional');

/** A parser of a field that may be absent. */
export interface OptionalParser<T> extends Parser<T | undefined> {
  readonly [optionalMark]: true;
}

type Fields = Readonly<Record<string, Parser<unknown>>>;
type OptionalKeys<S extends Fields> = {
  [K in keyof S]: S[K] extends OptionalParser<unknown> ? K : never;
}[keyof S];

/** The object type that `object(shape)` gives. */
export type ObjectOf<S extends Fields> = {
  readonly [K in Exclude<keyof S, OptionalKeys<S>>]: Parsed<S[K]>;
} & {
  readonly [K in OptionalKeys<S>]?: Parsed<S[K]>;
};

/** Refuses a value: what was expected, and where. */
export function refuse(path: string, expected: string): never {
  throw new TidemarkError(errorCodes.invalidInput, `${path === '' ? 'The value' : path} must be ${expected}.`);
}

/** A string of at most `maxLength` UTF-16 units (default 64 Ki), not empty unless `allowEmpty`. */
export function string(
  options: {
    readonly maxLength?: number;
    readonly allowEmpty?: boolean;
    readonly pattern?: RegExp;
    readonly what?: string;
  } = {},
): Parser<string> {
  const { maxLength = 65_536, allowEmpty = false, pattern, what } = options;
  return (value, path) => {
    if (typeof value !== 'string') return refuse(path, what ?? 'a text');
    if (value.length > maxLength) return refuse(path, `at most ${maxLength} characters long`);
    if (value === '' && !allowEmpty) return refuse(path, what ?? 'a text that is not empty');
    if (pattern !== undefined && !pattern.test(value)) return refuse(path, what ?? `a text matching ${pattern.source}`);
    return value;
  };
}

/** A string that `T` brands, checked by `pattern`. */
export function branded<T extends string>(pattern: RegExp, what: string): Parser<T> {
  return (value, path) => {
    if (typeof value !== 'string' || value.length > 1024 || !pattern.test(value)) return refuse(path, what);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where a brand is given, after the check
    return value as T;
  };
}

/** A safe integer between `min` (default 0) and `max` (default 2^53 - 1). */
export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      return refuse(path, `a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** A finite number. */
export const number: Parser<number> = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(path, 'a number');

/** True or false. */
export const boolean: Parser<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false');

/** One of the given texts. */
export function oneOf<const T extends readonly string[]>(...values: T): Parser<T[number]> {
  return (value, path) => {
    const found = values.find((candidate) => candidate === value);
    return found ?? refuse(path, `one of ${values.join(', ')}`);
  };
}

/** Exactly this literal; the discriminator of a union. */
export function literal<const T extends string | number | boolean>(expected: T): Parser<T> {
  return (value, path) => (value === expected ? expected : refuse(path, JSON.stringify(expected)));
}

/** A list of at most `maxLength` items (default 1 Mi). */
export function array<T>(item: Parser<T>, maxLength = 1_048_576): Parser<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuse(path, 'a list');
    if (value.length > maxLength) return refuse(path, `a list of at most ${maxLength} items`);
    return value.map((element: unknown, index) => item(element, `${path}[${index}]`));
  };
}

/** An object with these fields. Fields it does not name are dropped: an older reader meets a newer writer. */
export function object<const S extends Fields>(shape: S): Parser<ObjectOf<S>> {
  const fields = Object.entries(shape);
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object');
    const input = new Map<string, unknown>(Object.entries(value));
    const result: Record<string, unknown> = {};
    for (const [name, parser] of fields) {
      const parsed = parser(input.get(name), path === '' ? name : `${path}.${name}`);
      if (parsed !== undefined) result[name] = parsed;
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- built field by field from the shape
    return result as ObjectOf<S>;
  };
}

/** A field that may be absent or null. */
export function optional<T>(parser: Parser<T>): OptionalParser<T> {
  const parse = (value: unknown, path: string): T | undefined =>
    value === undefined || value === null ? undefined : parser(value, path);
  return Object.assign(parse, { [optionalMark]: true as const });
}

/** A value or null. */
export function nullable<T>(parser: Parser<T>): Parser<T | null> {
  return (value, path) => (value === null || value === undefined ? null : parser(value, path));
}

/** A discriminated union: `variants[value[key]]` parses the value. */
export function union<V extends Readonly<Record<string, Parser<unknown>>>>(
  key: string,
  variants: V,
): Parser<Parsed<V[keyof V]>> {
  const names = Object.keys(variants);
  return (value, path) => {
    if (typeof value !== 'object' || value === null) return refuse(path, 'an object');
    const tag: unknown = new Map<string, unknown>(Object.entries(value)).get(key);
    const parser = typeof tag === 'string' && Object.hasOwn(variants, tag) ? variants[tag] : undefined;
    if (parser === undefined) return refuse(`${path}.${key}`, `one of ${names.join(', ')}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parser is one of `variants`
    return parser(value, path) as Parsed<V[keyof V]>;
  };
}

/** A map with text keys, at most `maxEntries` of them (default 65,536). */
export function record<T>(item: Parser<T>, maxEntries = 65_536): Parser<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object');
    const entries = Object.entries(value);
    if (entries.length > maxEntries) return refuse(path, `an object of at most ${maxEntries} fields`);
    return Object.fromEntries(entries.map(([name, element]) => [name, item(element, `${path}.${name}`)]));
  };
}

/** Parses JSON text; `what` names the document in the error. */
export function json<T>(text: string, parser: Parser<T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidInput, `${what} is not valid JSON.`, { cause: error });
  }
  return parser(value, what);
}
