/** JSON files that carry a checksum of themselves: `sum` is the hex SHA-256 of the canonical JSON (keys sorted, no spaces) without that field. */
import { hash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { json, object, string } from '../protocol/parse.ts';
import type { Parser } from '../protocol/parse.ts';

const summed = object({ sum: string({ maxLength: 64 }) });

/** JSON with sorted keys and no spaces. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    fields.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** The file for `value`: indented for people, with its sum. */
export function encodeSelfChecked(value: object): Buffer {
  const sum = hash('sha256', canonicalJson(value), 'hex');
  return Buffer.from(`${JSON.stringify({ ...value, sum }, undefined, 2)}\n`);
}

/** Parses a file after checking its sum. Throws `TM4008`, naming `what`. */
export function decodeSelfChecked<T>(file: Uint8Array, parser: Parser<T>, what: string): T {
  try {
    const value: unknown = json(Buffer.from(file).toString('utf8'), (parsed) => parsed, what);
    const { sum } = summed(value, what);
    const rest = Object.fromEntries(Object.entries(Object(value)).filter(([name]) => name !== 'sum'));
    if (hash('sha256', canonicalJson(rest), 'hex') !== sum) {
      throw new TidemarkError(errorCodes.repositoryCorrupt, `${what} has a wrong checksum.`);
    }
    return parser(value, what);
  } catch (error) {
    throw new TidemarkError(errorCodes.repositoryCorrupt, `${what} of the repository is damaged.`, {
      hint: 'A copy of the file, from a backup of the repository, helps.',
      cause: error,
    });
  }
}
