/** What is surprising about a cron expression. */
import { cronFields } from './cron-fields.ts';
import type { CronFields } from './cron-fields.ts';
import { occurrences } from './occurrences.ts';
import type { CronEntry } from './occurrences.ts';
import { offsetChanges } from './zoned.ts';

/** Days of each month, in years that are no leap years. */
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const longestFebruary = 29;
/** Any moment: the search goes through all kinds of years. */
const start = Date.UTC(2000, 0, 1);

/** Whether there is no day at all on which an expression fires: 31 February. */
export function neverFires(cron: string): boolean {
  const fields = cronFields(cron);
  // Only which days are of both kinds takes a search.
  if (fields.daysBy === 'both') return occurrences({ cron, timezone: 'UTC' }, { after: start, limit: 1 }).length === 0;
  if (fields.daysBy !== 'month') return false;
  return fields.months.every((month) => !hasDay(fields, month === 2 ? longestFebruary : daysOf(month)));
}

/** Whether an expression gives days of the month and days of the week, and so fires on each of them, not only on days that are both. */
export function firesOnEitherDay(cron: string): boolean {
  return cronFields(cron).daysBy === 'either';
}

/** Months, 1 to 12, in which an expression is to fire and cannot in each year, since they are too short: `0 3 31 * *` leaves out five. */
export function monthsTooShort(cron: string): readonly number[] {
  const fields = cronFields(cron);
  return fields.daysBy === 'month' ? fields.months.filter((month) => !hasDay(fields, daysOf(month))) : [];
}

function daysOf(month: number): number {
  return monthDays[month - 1] ?? 31;
}

function hasDay(fields: CronFields, days: number): boolean {
  return fields.lastDay || fields.lastWeekday || [...fields.days, ...fields.nearestTo].some((day) => day <= days);
}

/** A time of an entry that clocks skip, or show twice, when they are changed. */
export interface ClockChange {
  readonly kind: 'skipped' | 'repeated';
  /** The local time that the entry names, as ms since 1970 if the zone were UTC. */
  readonly local: number;
  /** When the clocks are changed, ms since 1970; a run that is `late` starts then. */
  readonly at: number;
  /** `late`: right after the gap. `left-out`: not at all. `once`: only the first time. `twice`: both times. */
  readonly effect: 'late' | 'left-out' | 'once' | 'twice';
}

/**
 * Where the times of an entry meet a change of the clocks in (from, until], earliest first, at most one per change. Empty for an entry that fires in each hour: it
 * follows the clocks, and nobody misses a run.
 */
export function clockChanges(entry: CronEntry, from: number, until: number): readonly ClockChange[] {
  const { hours, fixedTime } = cronFields(entry.cron);
  if (hours.length === 24) return [];
  return offsetChanges(entry.timezone, from, until).flatMap(({ at, before, after }): readonly ClockChange[] => {
    const [first, end] = [at + Math.min(before, after), at + Math.max(before, after)];
    // The hour by the clock, as if no clock were changed.
    const [local] = occurrences({ cron: entry.cron, timezone: 'UTC' }, { after: first - 1, until: end - 1, limit: 1 });
    if (local === undefined) return [];
    return after > before
      ? [{ kind: 'skipped', local, at, effect: fixedTime ? 'late' : 'left-out' }]
      : [{ kind: 'repeated', local, at, effect: fixedTime ? 'once' : 'twice' }];
  });
}
