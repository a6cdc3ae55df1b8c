/** The days on which a cron expression fires. */
import type { CronFields } from './cron-fields.ts';

const dayMs = 86_400_000;
const sunday = 7;
const saturday = 6;

/** Whether an expression fires on a day of the calendar; `day` counts days since 1970. */
export function firesOn(fields: CronFields, day: number): boolean {
  const date = new Date(day * dayMs);
  if (!fields.months.includes(date.getUTCMonth() + 1)) return false;
  if (fields.daysBy === 'any') return true;
  const weekday = date.getUTCDay() || sunday;
  const number = date.getUTCDate();
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  const ofMonth = fields.daysBy !== 'week' && isOfMonth(fields, { number, weekday, last });
  const ofWeek = fields.daysBy !== 'month' && isOfWeek(fields, { number, weekday, last });
  return fields.daysBy === 'both' ? ofMonth && ofWeek : ofMonth || ofWeek;
}

interface MonthDay {
  readonly number: number;
  readonly weekday: number;
  /** The number of the month's last day. */
  readonly last: number;
}

function isOfMonth(fields: CronFields, day: MonthDay): boolean {
  const { number, last } = day;
  if (fields.days.includes(number) || (fields.lastDay && number === last)) return true;
  if (fields.lastWeekday && number === workday(last, day)) return true;
  return fields.nearestTo.some((nearest) => nearest <= last && number === workday(nearest, day));
}

function isOfWeek({ weekdays }: CronFields, { number, weekday, last }: MonthDay): boolean {
  const entry = weekdays.find((each) => each.weekday === weekday);
  if (entry?.nth === undefined) return entry !== undefined;
  return entry.nth.includes(Math.ceil(number / 7)) || (entry.nth.includes('last') && number + 7 > last);
}

/** The day from Monday to Friday that is nearest to a day of the month, in the same month. */
function workday(nearest: number, { number, weekday, last }: MonthDay): number {
  const its = ((((weekday - 1 + nearest - number) % 7) + 7) % 7) + 1;
  if (its === saturday) return nearest === 1 ? nearest + 2 : nearest - 1;
  if (its === sunday) return nearest === last ? nearest - 2 : nearest + 1;
  return nearest;
}
