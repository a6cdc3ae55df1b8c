/** A cron expression in words. */
import { formatTimeOfDay } from '../units.ts';
import { cronFields } from './cron-fields.ts';
import type { CronFields, CronWeekday } from './cron-fields.ts';

const weekdayNames = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const monthNames = 'January February March April May June July August September October November December'.split(' ');
const nthNames = ['first', 'second', 'third', 'fourth', 'fifth'];
/** More times than these are not listed. */
const mostTimes = 8;

/**
 * When an expression fires: `at 02:00 from Monday to Saturday`, `every 15 minutes`. Begins with a small letter and has no full stop, to be part of a
 * sentence. Takes expressions that the schema accepted; throws a `TypeError` or `RangeError` for another.
 */
export function describeCron(cron: string): string {
  const fields = cronFields(cron);
  const times = timesOf(fields);
  const dates = datesOf(fields);
  const days = dates ?? daysOf(fields);
  const daily = days === '' && times.startsWith('at ') && fields.hours.length < 24;
  const months = dates !== undefined || fields.months.length === 12 ? [] : phrases('in', fields.months, monthName);
  // Two spans without a comma would read as one: "from 08:00 to 17:00 from Monday to Friday".
  const comma = / (from|past|at minute) /.test(times) ? ', ' : ' ';
  const when = daily ? `every day ${times}` : times;
  return [days === '' ? when : `${when}${comma}${days}`, ...(months.length === 0 ? [] : [list(months)])].join(', ');
}

function timesOf({ minutes, hours }: CronFields): string {
  const minuteStep = wholeStep(minutes, 60);
  const hourStep = wholeStep(hours, 24);
  const [minute = 0] = minutes;
  if (hours.length === 24 && minuteStep !== undefined && minutes.length > 1) return each(minuteStep, 'minute');
  if (minutes.length === 1 && hourStep !== undefined && hours.length > 4) {
    return minute === 0 ? each(hourStep, 'hour') : `${each(hourStep, 'hour')} at minute ${minute}`;
  }
  const step = evenStep(hours);
  if (minutes.length * hours.length <= mostTimes && (minutes.length > 1 || step !== 1 || hours.length < 4)) {
    return `at ${list(hours.flatMap((hour) => minutes.map((of) => formatTimeOfDay(hour * 60 + of))))}`;
  }
  const first = formatTimeOfDay((hours[0] ?? 0) * 60 + minute);
  const last = formatTimeOfDay((hours.at(-1) ?? 0) * 60 + (minutes.at(-1) ?? 0));
  if (minutes.length === 1 && step !== undefined) return `${each(step, 'hour')} from ${first} to ${last}`;
  if (minuteStep !== undefined && (step === 1 || hours.length === 1)) {
    return `${each(minuteStep, 'minute')} from ${first} to ${last}`;
  }
  const past = hours.length === 24 ? 'each hour' : counted('hour', hours);
  return `at ${counted('minute', minutes)} past ${past}`;
}

function each(step: number, unit: string): string {
  return step === 1 ? `every ${unit}` : `every ${step} ${unit}s`;
}

/** `minute 5`, `minutes 5, 10 to 14 and 20`. */
function counted(unit: string, values: readonly number[]): string {
  const texts = spans(values).map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  return `${values.length === 1 ? unit : `${unit}s`} ${list(texts)}`;
}

/** The step of values that go on evenly from 0 all the way round. */
function wholeStep(values: readonly number[], size: number): number | undefined {
  const step = size / values.length;
  return Number.isInteger(step) && values.every((value, index) => value === index * step) ? step : undefined;
}

/** The step of three values or more that are equally far apart. */
function evenStep(values: readonly number[]): number | undefined {
  const [first = 0, second = 0] = values;
  const step = second - first;
  return values.length > 2 && values.every((value, index) => value === first + index * step) ? step : undefined;
}

/** `on 1 January and 1 July`; undefined when it is not one day of some months. */
function datesOf({ daysBy, days, nearestTo, lastDay, lastWeekday, months }: CronFields): string | undefined {
  const [day] = days;
  if (daysBy !== 'month' || day === undefined || days.length > 1 || months.length === 12) return undefined;
  if (nearestTo.length > 0 || lastDay || lastWeekday) return undefined;
  return `on ${list(months.map((month) => `${day} ${monthName(month)}`))}`;
}

/** On which days; empty for each day. */
function daysOf(fields: CronFields): string {
  const { daysBy, weekdays } = fields;
  if (daysBy === 'any') return '';
  if (daysBy === 'month') return daysOfMonth(fields);
  if (daysBy === 'week') return daysOfWeek(weekdays);
  return daysBy === 'either'
    ? `${daysOfMonth(fields)}, and also ${daysOfWeek(weekdays)}`
    : `${daysOfWeek(weekdays)}, but only ${daysOfMonth(fields)}`;
}

function daysOfMonth(fields: CronFields): string {
  const { days, nearestTo, lastDay, lastWeekday } = fields;
  const special = [
    ...nearestTo.map((day) => `the weekday nearest to the ${ordinal(day)}`),
    ...(lastDay ? ['the last day'] : []),
    ...(lastWeekday ? ['the last weekday'] : []),
  ];
  const step = evenStep(days);
  const [first = 1] = days;
  if (days.length === 1 && first === 1 && special.length === 0) return 'on the first day of the month';
  const numbered =
    step !== undefined && step > 1 && days.length > mostTimes
      ? [`on every ${ordinal(step)} day from the ${ordinal(first)} to the ${ordinal(days.at(-1) ?? first)}`]
      : phrases('on', days, (day) => `the ${ordinal(day)}`);
  return `${list([...numbered, ...(special.length === 0 ? [] : [`on ${list(special)}`])])} of the month`;
}

function daysOfWeek(weekdays: readonly CronWeekday[]): string {
  const plain = weekdays.flatMap(({ weekday, nth }) => (nth === undefined ? [weekday] : []));
  const numbered = weekdays.flatMap(({ weekday, nth }) =>
    nth === undefined ? [] : [`the ${list(nth.map(nthName))} ${weekdayName(weekday)}`],
  );
  const ofMonth = numbered.length === 0 ? [] : [`on ${list(numbered)} of the month`];
  return list([...phrases('on', plain, weekdayName), ...ofMonth]);
}

function weekdayName(weekday: number): string {
  return weekdayNames[weekday - 1] ?? '';
}

function monthName(month: number): string {
  return monthNames[month - 1] ?? '';
}

function nthName(nth: number | 'last'): string {
  return nth === 'last' ? nth : (nthNames[nth - 1] ?? '');
}

/** `1st`, `22nd`. */
function ordinal(day: number): string {
  const ending = day >= 11 && day <= 13 ? undefined : ['st', 'nd', 'rd'][(day % 10) - 1];
  return `${day}${ending ?? 'th'}`;
}

/** Neighbours of three values or more as one span; other values by themselves. */
function spans(values: readonly number[]): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (let index = 0; index < values.length;) {
    let end = index;
    while (values[end + 1] === (values[end] ?? 0) + 1) end += 1;
    if (end - index < 2) end = index;
    found.push([values[index] ?? 0, values[end] ?? 0]);
    index = end + 1;
  }
  return found;
}

/** `on Monday and Wednesday`, `from Monday to Friday`; both when there are such and such. */
function phrases(preposition: string, values: readonly number[], name: (value: number) => string): readonly string[] {
  const all = spans(values);
  const single = all.filter(([first, last]) => first === last).map(([value]) => name(value));
  const ranges = all.filter(([first, last]) => first !== last);
  return [
    ...(single.length === 0 ? [] : [`${preposition} ${list(single)}`]),
    ...ranges.map(([first, last]) => `from ${name(first)} to ${name(last)}`),
  ];
}

/** `a, b and c`. */
function list(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}
