/** Days of the calendar, where the user lives. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** The day (`2026-01-31`) of each moment (RFC 3339 UTC) in a time zone. Throws `TM1001` when the zone is unknown. */
export function daysOf(moments: readonly string[], timezone: string): readonly string[] {
  if (timezone === 'UTC') return moments.map((moment) => moment.slice(0, 10));
  const format = dayFormat(timezone);
  return moments.map((moment) => format.format(Date.parse(moment)));
}

/** The Canadian way to write a date is ISO 8601's (CLDR, en-CA). */
function dayFormat(timezone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' });
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidInput, `"${timezone}" is not a time zone.`, {
      hint: 'Give a name of the IANA time zone database, such as Europe/Warsaw.',
      cause: error,
    });
  }
}
