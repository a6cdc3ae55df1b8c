/** What a cron expression says, field by field. */
import { CronPattern } from 'croner';

/** A day of the week, and which of a month's it is. */
export interface CronWeekday {
  /** 1 is Monday, 7 is Sunday. */
  readonly weekday: number;
  /** `FRI#2` is the second of the month, `FRIL` the last; absent when each is meant. */
  readonly nth: readonly (number | 'last')[] | undefined;
}

/** An expression as its values, each list in ascending order. */
export interface CronFields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** Days of the month by number. */
  readonly days: readonly number[];
  /** `15W`: the days from Monday to Friday that are nearest to these. */
  readonly nearestTo: readonly number[];
  /** `L`. */
  readonly lastDay: boolean;
  /** `LW`: the last day of the month from Monday to Friday. */
  readonly lastWeekday: boolean;
  /** 1 is January. */
  readonly months: readonly number[];
  readonly weekdays: readonly CronWeekday[];
  /** How both kinds of days count: only one of them, each of them, or only days that are of both kinds. */
  readonly daysBy: 'any' | 'month' | 'week' | 'either' | 'both';
  /** Hours and minutes are given as numbers: such an entry runs after a gap of the clocks, and once when they are put back. */
  readonly fixedTime: boolean;
}

/** Reads an expression that the schema accepts; throws a `TypeError` or `RangeError` for another. */
export function cronFields(cron: string): CronFields {
  const pattern = new CronPattern(cron, undefined, {
    mode: cron.startsWith('@') ? 'auto' : '5-part',
    fixedTimeRule: 'no-wildcard',
  });
  return {
    minutes: set(pattern.minute, 0),
    hours: set(pattern.hour, 0),
    days: set(pattern.day, 1),
    nearestTo: set(pattern.nearestWeekdays, 1),
    lastDay: pattern.lastDayOfMonth,
    lastWeekday: pattern.lastWeekday,
    months: set(pattern.month, 1),
    weekdays: weekdaysOf(pattern),
    daysBy: daysBy(pattern),
    fixedTime: pattern.isFixedTime,
  };
}

function set(values: readonly number[], first: number): readonly number[] {
  return values.flatMap((value, index) => (value === 0 ? [] : [index + first]));
}

function daysBy(pattern: CronPattern): CronFields['daysBy'] {
  if (pattern.starDOW) return pattern.starDOM ? 'any' : 'month';
  if (pattern.starDOM) return 'week';
  return pattern.useAndLogic ? 'both' : 'either';
}

/** Bits 1 to 16 are the first to the fifth of a month, 32 the last; all of them: each. */
const everyOne = 63;

function weekdaysOf(pattern: CronPattern): readonly CronWeekday[] {
  return [1, 2, 3, 4, 5, 6, 7].flatMap((weekday): readonly CronWeekday[] => {
    const bits = pattern.dayOfWeek[weekday % 7] ?? 0;
    if (bits === 0) return [];
    if ((bits & everyOne) === everyOne) return [{ weekday, nth: undefined }];
    const nth: (number | 'last')[] = [1, 2, 3, 4, 5].filter((n) => (bits & (1 << (n - 1))) !== 0);
    if ((bits & 32) !== 0) nth.push('last');
    return [{ weekday, nth }];
  });
}
