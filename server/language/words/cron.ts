/** Cron expressions in words: `0 2 * * MON-SAT` is "at 02:00 from Monday to Saturday". */
import { listText } from './text.ts';

const names: Readonly<Record<string, string>> = {
  '@hourly': 'every hour',
  '@daily': 'every day at 00:00',
  '@midnight': 'every day at 00:00',
  '@weekly': 'at 00:00 on Sunday',
  '@monthly': 'at 00:00 on the first day of the month',
  '@yearly': 'at 00:00 on the first day of the month in January',
  '@annually': 'at 00:00 on the first day of the month in January',
};

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const nth = ['', 'first', 'second', 'third', 'fourth', 'fifth'];

/** What an expression of five fields means; undefined when there are no good words for it. */
export function cronWords(cron: string): string | undefined {
  const named = names[cron.trim().toLowerCase()];
  if (named !== undefined) return named;
  const [minute, hour, day, month, weekday, ...more] = cron.trim().toUpperCase().split(/\s+/);
  if (minute === undefined || hour === undefined || day === undefined || month === undefined) return undefined;
  if (weekday === undefined || more.length > 0) return undefined;
  const time = timeWords(minute, hour);
  const on = dayWords(day, weekday);
  const within = monthWords(month);
  if (time === undefined || on === undefined || within === undefined) return undefined;
  if (on !== '') return [time, on, within].filter((part) => part !== '').join(' ');
  const daily = time.startsWith('at ') ? `every day ${time}` : time;
  return within === '' ? daily : `${daily} ${within}`;
}

/** One part of a field: a number, or a range with a step. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  /** A star: all of the field. */
  readonly all: boolean;
}

function partsOf(field: string, low: number, high: number, words: readonly string[] = []): readonly Part[] | undefined {
  const parts = field.split(',').map((text): Part | undefined => {
    const match = /^(\*|\?|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:\/(\d+))?$/.exec(text);
    if (match === null) return undefined;
    const step = Number(match[4] ?? 1);
    const first = match[2];
    if (first === undefined) return { from: low, to: high, step, all: true };
    const from = numberOf(first, words);
    const to = match[3] === undefined ? (match[4] === undefined ? from : high) : numberOf(match[3], words);
    return from === undefined || to === undefined ? undefined : { from, to, step, all: false };
  });
  const valid = parts.flatMap((part) => part ?? []);
  return valid.length === parts.length && valid.every(({ step }) => step > 0) ? valid : undefined;
}

/** Names are the first three letters of the words. */
function numberOf(text: string, words: readonly string[]): number | undefined {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  const index = words.findIndex((word) => word.slice(0, 3).toUpperCase() === text);
  return index < 0 ? undefined : index;
}

function timeWords(minuteField: string, hourField: string): string | undefined {
  const minutes = partsOf(minuteField, 0, 59);
  const hours = partsOf(hourField, 0, 23);
  const [minute] = minutes ?? [];
  if (minutes === undefined || hours === undefined || minute === undefined) return undefined;
  const times = minutes.every(isSingle) && hours.every(isSingle) ? clockTimes(minutes, hours) : [];
  if (times.length > 0 && times.length <= 6) return `at ${listText(times)}`;
  if (minutes.length === 1 && isSingle(minute)) return hourlyWords(minute.from, hours);
  if (minutes.length === 1 && minute.all) return `${everyMinutes(minute.step)}${hourRange(hours)}`;
  return `at the minutes ${partWords(minutes, String)}${hourRange(hours)}`;
}

function clockTimes(minutes: readonly Part[], hours: readonly Part[]): readonly string[] {
  return hours.flatMap((hour) => minutes.map((minute) => clock(hour.from, minute.from))).toSorted();
}

/** Once in each of several hours. */
function hourlyWords(minute: number, hours: readonly Part[]): string | undefined {
  const [hour] = hours;
  if (hour === undefined) return undefined;
  const at = minute === 0 ? '' : ` at minute ${minute}`;
  if (hours.length > 1) return `at minute ${minute} of the hours ${partWords(hours, String)}`;
  const every = hour.step === 1 ? 'every hour' : `every ${hour.step} hours`;
  if (!hour.all) return `${every} from ${clock(hour.from, minute)} to ${clock(hour.to, minute)}`;
  return 24 % hour.step === 0 ? `${every}${at}` : `${every} of each day, from ${clock(0, minute)} on`;
}

function everyMinutes(step: number): string {
  if (step === 1) return 'every minute';
  return 60 % step === 0 ? `every ${step} minutes` : `every ${step} minutes of each hour`;
}

function hourRange(hours: readonly Part[]): string {
  const [hour] = hours;
  if (hours.length === 1 && hour?.all === true && hour.step === 1) return '';
  if (hours.length === 1 && hour?.step === 1) return ` from ${clock(hour.from, 0)} to ${clock(hour.to, 59)}`;
  return ` in the hours ${partWords(hours, String)}`;
}

/** Empty: every day. With both a day of the month and a day of the week, either is enough. */
function dayWords(dayField: string, weekdayField: string): string | undefined {
  const anyDay = dayField === '*' || dayField === '?';
  const anyWeekday = weekdayField === '*' || weekdayField === '?';
  const day = anyDay ? '' : monthDayWords(dayField);
  const weekday = anyWeekday ? '' : weekdayWords(weekdayField);
  if (day === undefined || weekday === undefined) return undefined;
  return day === '' || weekday === '' ? day + weekday : `${day} and also ${weekday}`;
}

function monthDayWords(field: string): string | undefined {
  if (field === 'L') return 'on the last day of the month';
  if (field === 'LW') return 'on the last weekday of the month';
  const near = /^(\d{1,2})W$/.exec(field)?.[1];
  if (near !== undefined) return `on the weekday nearest to day ${near} of the month`;
  const parts = partsOf(field, 1, 31);
  const [part] = parts ?? [];
  if (parts === undefined || part === undefined) return undefined;
  if (parts.length > 1 || !isSingle(part)) {
    if (part.all && part.step > 1) return `on every ${part.step} days of the month, from its first day on`;
    return `on the days ${partWords(parts, String)} of the month`;
  }
  return part.from === 1 ? 'on the first day of the month' : `on day ${part.from} of the month`;
}

function weekdayWords(field: string): string | undefined {
  const name = (value: number): string => weekdays[value] ?? String(value);
  const ordinal = /^([0-7A-Z]+)(?:#([1-5L])|(L))$/.exec(field);
  if (ordinal !== null) {
    const number = numberOf(ordinal[1]?.replace(/L$/, '') ?? '', weekdays);
    const which = ordinal[2] ?? 'L';
    return number === undefined
      ? undefined
      : `on the ${which === 'L' ? 'last' : nth[Number(which)]} ${name(number)} of the month`;
  }
  const parts = partsOf(field, 0, 6, weekdays);
  const [part] = parts ?? [];
  if (parts === undefined || part === undefined) return undefined;
  const range = parts.length === 1 && !isSingle(part) && part.step === 1;
  return range ? `from ${name(part.from)} to ${name(part.to)}` : `on ${partWords(parts, name)}`;
}

function monthWords(field: string): string | undefined {
  if (field === '*' || field === '?') return '';
  const parts = partsOf(field, 1, 12, ['', ...months]);
  const name = (value: number): string => months[value - 1] ?? String(value);
  return parts === undefined ? undefined : `in ${partWords(parts, name)}`;
}

function isSingle({ from, to, all }: Part): boolean {
  return from === to && !all;
}

/** Ranges as `a to b`, steps as each of their values. */
function partWords(parts: readonly Part[], name: (value: number) => string): string {
  const words = parts.flatMap((part) => {
    if (isSingle(part)) return [name(part.from)];
    if (part.step === 1) return [`${name(part.from)} to ${name(part.to)}`];
    return Array.from({ length: Math.floor((part.to - part.from) / part.step) + 1 }, (_, index) =>
      name(part.from + index * part.step),
    );
  });
  return listText(words);
}

function clock(hour: number, minute: number): string {
  return `${hour.toString().padStart(2, '0')}:${minute.toString().padStart(2, '0')}`;
}
