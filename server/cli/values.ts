/** Parsers of option values. What they refuse is wrong usage (exit code 2). */
import { readFile } from 'node:fs/promises';

import { InvalidArgumentError } from 'commander';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { parseBytes } from '../base/format.ts';

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Disk parts at a time. */
export const parseThreads = wholeNumber(1, 16);

/** A size in bytes, with or without a unit. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('It must be a size such as 4GiB, 512MiB or 65536.');
  return bytes;
}

/** `NAME=VALUE`, gathered over repeated options. */
export function namedValue(
  text: string,
  previous: readonly { readonly name: string; readonly value: string }[] = [],
): readonly { readonly name: string; readonly value: string }[] {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1) throw new InvalidArgumentError('It must be NAME=VALUE.');
  return [...previous, { name: text.slice(0, equals), value: text.slice(equals + 1) }];
}

/** A text, gathered over repeated options. */
export function repeated(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, text];
}

/** A percentage above 0 and at most 100. */
export function parsePercent(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0 || value > 100) {
    throw new InvalidArgumentError('It must be above 0 and at most 100.');
  }
  return value;
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment to come: after a duration (`90m`, `2h`, `3d`), in local time (`2026-12-24 18:00`), or in RFC 3339. Gives RFC 3339 in UTC. */
export function parseMoment(text: string, _previous?: unknown, now: number = Date.now()): string {
  const duration = /^(\d{1,5})([mhd])$/.exec(text);
  const isMoment = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);
  // A day without a time begins at midnight here; JavaScript would take it for midnight in UTC.
  const written = text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T');
  const ms =
    duration === null
      ? isMoment
        ? Date.parse(written)
        : Number.NaN
      : now + Number(duration[1]) * (unitMs[duration[2] ?? ''] ?? 0);
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError('It must be a time such as 2h, 3d, "2026-12-24 18:00" or 2026-12-24T18:00:00Z.');
  }
  if (ms <= now) throw new InvalidArgumentError('It must be a time to come.');
  return new Date(ms).toISOString();
}

/** A whole text file that an option names. Throws `TM1003`. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, `The file ${path} cannot be read.`, { cause: error });
  }
}
