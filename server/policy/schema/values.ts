/** Values that several keys of a policy have, and their parsers. */
import { CronPattern } from 'croner';

import { diagnosticCodes } from '../diagnostic.ts';
import { formatTimeOfDay, isTimezone, parseDuration, parseTimeOfDay, writeDuration } from '../units.ts';
import { text } from './scalar.ts';
import type { NameKind } from './schema.ts';

/** Names of policies. */
export const policyName = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/;
/** Names of repositories and hosts. */
export const entityName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Takes every text. */
export const any = (value: string): string => value;
/** Takes the texts that a pattern matches. */
export const matching =
  (pattern: RegExp) =>
  (value: string): string | undefined =>
    pattern.test(value) ? value : undefined;

/** A name, or a pattern for several. */
export const pattern = (description: string, names: NameKind, what: string) =>
  text({ description, names, maxLength: 256, what, parse: any });

/** A duration, in ms. `limits` says for people what `minMs` and `maxMs` are. */
export const duration = (
  description: string,
  fallback: string | undefined,
  minMs: number,
  maxMs: number,
  limits: string,
) =>
  text({
    description,
    maxLength: 16,
    pattern: /^\d{1,6}\s*[smhd]$/,
    what: `a duration such as 90s, 10m, 2h or 1d, ${limits}`,
    ...(fallback === undefined ? {} : { fallback }),
    examples: [
      { value: '10m', description: 'ten minutes' },
      { value: '1h', description: 'one hour' },
    ],
    parse: (value) => {
      const ms = parseDuration(value);
      return ms === undefined || ms < minMs || ms > maxMs ? undefined : ms;
    },
    format: writeDuration,
  });

/** A time zone by its name. */
export const timezone = (description: string) =>
  text({
    description,
    names: 'timezone',
    maxLength: 64,
    what: 'a name of the IANA time zone database, such as Europe/Warsaw',
    code: diagnosticCodes.unknownTimezone,
    candidates: () => ['UTC', ...Intl.supportedValuesOf('timeZone')],
    parse: (value) => (isTimezone(value) ? value : undefined),
  });

/** A time of the day, in minutes since midnight. */
export const timeOfDay = (description: string) =>
  text({
    description,
    maxLength: 5,
    pattern: /^([01]?\d|2[0-3]):[0-5]\d$/,
    what: 'a time of the day in quotes, such as "22:00"',
    examples: [
      { value: '"22:00"', description: 'ten in the evening' },
      { value: '"06:00"', description: 'six in the morning' },
    ],
    parse: parseTimeOfDay,
    format: formatTimeOfDay,
  });

/** A cron expression as it is, or undefined. Five fields, as cron has them; croner takes seconds and years too, which no policy needs. */
export function parseCron(value: string): string | undefined {
  if (value.trim().split(/\s+/).length !== 5 && !value.startsWith('@')) return undefined;
  try {
    // Not `Cron`: that takes whatever has a colon for a date.
    const { pattern: read } = new CronPattern(value, undefined, { mode: value.startsWith('@') ? 'auto' : '5-part' });
    return read === '' ? undefined : value;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

const cronFieldNames = ['minute', 'hour', 'day of the month', 'month', 'day of the week'];

/** What is wrong with an expression that `parseCron` refuses: how many fields it has, or the first field that is none. */
export function wrongCron(value: string): string | undefined {
  const fields = value.trim().split(/\s+/);
  if (value.startsWith('@')) return undefined;
  if (fields.length !== 5) return `This has ${fields.length === 1 ? 'one' : fields.length}.`;
  const at = fields.findIndex(
    (field, index) => parseCron('* * * * *'.split(' ').with(index, field).join(' ')) === undefined,
  );
  return at < 0 ? undefined : `${JSON.stringify(fields[at])} is no ${cronFieldNames[at]}.`;
}
