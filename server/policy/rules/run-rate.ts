/** How often a schedule runs at most: upper bounds from what its expressions say, without going through the calendar. */
import type { ScheduleEntry } from '../policy-schema.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import type { CronFields } from '../schedule/cron-fields.ts';

/** Spans in which restore points are counted; `run` is each run by itself. */
export type Span = 'run' | 'hour' | 'day' | 'week' | 'month' | 'year';

/** In how many parts of a span there is a run at most: `most('day', 'month')` is on how many days of a month. */
export type RunRate = (part: Span, span: Span) => number;

const daysPerWeek = 7;
const daysPerMonth = 31;
const daysPerYear = 366;
const hoursPerDay = 24;

/** At most so many parts are in a span, whatever the schedule. A week is in no month: weeks lie across the ends of months. */
const inCalendar: Readonly<Partial<Record<Span, Partial<Record<Span, number>>>>> = {
  hour: {
    day: hoursPerDay + 1,
    week: hoursPerDay * daysPerWeek + 1,
    month: hoursPerDay * daysPerMonth + 1,
    year: hoursPerDay * daysPerYear,
  },
  day: { week: daysPerWeek, month: daysPerMonth, year: daysPerYear },
  month: { year: 12 },
};

/** The rate of a policy without a schedule: runs may start at any time. */
export const anyTime: RunRate = (part, span) => inCalendar[part]?.[span] ?? Infinity;

/** The rate of a schedule whose entries all count in one time zone. */
export function rateOf(schedule: readonly ScheduleEntry[]): RunRate {
  const entries = schedule.map(({ cron }) => cronFields(cron));
  const hours = new Set(entries.flatMap((fields) => fields.hours)).size;
  const months = new Set(entries.flatMap((fields) => fields.months)).size;
  const days: Readonly<Partial<Record<Span, number>>> = {
    day: 1,
    week: sum(entries, daysInWeek),
    month: sum(entries, daysInMonth),
    year: sum(entries, daysInYear),
  };
  const runs: Readonly<Partial<Record<Span, number>>> = {
    hour: sum(entries, ({ minutes }) => minutes.length),
    day: runsInDay(entries),
    week: sum(entries, (fields) => runsOnDay(fields) * daysInWeek(fields)),
    month: sum(entries, (fields) => runsOnDay(fields) * daysInMonth(fields)),
    year: sum(entries, (fields) => runsOnDay(fields) * daysInYear(fields)),
  };
  const own: RunRate = (part, span) => {
    const inSpan = runs[span] ?? Infinity;
    if (part === 'run') return inSpan;
    if (part === 'hour') return Math.min(inSpan, hours * (days[span] ?? Infinity));
    if (part === 'day') return Math.min(inSpan, days[span] ?? Infinity);
    return part === 'month' && span === 'year' ? months : inSpan;
  };
  return (part, span) => Math.min(own(part, span), anyTime(part, span));
}

function sum(entries: readonly CronFields[], of: (fields: CronFields) => number): number {
  return entries.reduce((total, fields) => total + of(fields), 0);
}

function runsOnDay({ minutes, hours }: CronFields): number {
  return minutes.length * hours.length;
}

/** The busiest day of the week. */
function runsInDay(entries: readonly CronFields[]): number {
  const perDay = [1, 2, 3, 4, 5, 6, 7].map((day) =>
    sum(entries, (fields) => {
      const isOn = fields.daysBy !== 'week' || fields.weekdays.some(({ weekday }) => weekday === day);
      return isOn ? runsOnDay(fields) : 0;
    }),
  );
  return Math.max(...perDay);
}

function daysInWeek({ daysBy, weekdays }: CronFields): number {
  return daysBy === 'week' ? weekdays.length : daysPerWeek;
}

function daysInMonth(fields: CronFields): number {
  const byMonth = fields.days.length + fields.nearestTo.length + Number(fields.lastDay) + Number(fields.lastWeekday);
  const byWeek = fields.weekdays.reduce((total, { nth }) => total + (nth?.length ?? 5), 0);
  const days = {
    any: daysPerMonth,
    month: byMonth,
    week: byWeek,
    either: byMonth + byWeek,
    both: Math.min(byMonth, byWeek),
  }[fields.daysBy];
  return Math.min(days, daysPerMonth);
}

function daysInYear(fields: CronFields): number {
  return Math.min(daysInMonth(fields) * fields.months.length, daysPerYear);
}
