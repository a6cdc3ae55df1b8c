/** Durations, rates and times of the day as policy files write them. */
import { parseBytes } from '../base/format.ts';

const minuteMs = 60_000;
const unitMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: minuteMs,
  h: 60 * minuteMs,
  d: 24 * 60 * minuteMs,
};

/** `90s`, `10m`, `2h`, `1d` in milliseconds; undefined when it is none. A day is 24 hours. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})\s*([smhd])$/.exec(text);
  const unit = unitMs[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** Milliseconds, whole seconds, in the largest unit that writes them exactly: `10m`. */
export function writeDuration(milliseconds: number): string {
  const [unit = 's', size = 1000] =
    Object.entries(unitMs)
      .toReversed()
      .find(([, ms]) => milliseconds > 0 && milliseconds % ms === 0) ?? [];
  return `${milliseconds / size}${unit}`;
}

/** `200MiB/s` in bytes per second; undefined when it is none, or less than 64 KiB/s. */
export function parseRate(text: string): number | undefined {
  const match = /^(.+?)\s*\/\s*s$/.exec(text);
  const bytes = match?.[1] === undefined ? undefined : parseBytes(match[1]);
  return bytes === undefined || bytes < slowestRate ? undefined : bytes;
}

const rateUnits = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];

/** Bytes per second in the largest unit that writes them exactly: `200MiB/s`. */
export function writeRate(bytesPerSecond: number): string {
  let value = bytesPerSecond;
  let unit = 0;
  while (value > 0 && value % 1024 === 0 && unit < rateUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${rateUnits[unit] ?? ''}B/s`;
}

/** Slower than this a backup does not end. Bytes per second. */
export const slowestRate = 64 * 1024;

/** `22:00` in minutes since midnight; undefined when it is no time of the day. */
export function parseTimeOfDay(text: string): number | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * 60 + Number(match[2]);
}

/** Minutes since midnight as `06:30`. */
export function formatTimeOfDay(minutes: number): string {
  return `${Math.floor(minutes / 60)
    .toString()
    .padStart(2, '0')}:${(minutes % 60).toString().padStart(2, '0')}`;
}

/** Zones that were asked for: `Intl` takes a while, and is asked for the same ones at each keystroke. */
const zones = new Map<string, boolean>();
const maxZones = 1024;

/** Whether `Intl`, and so this machine's time zone database, knows the zone. */
export function isTimezone(name: string): boolean {
  // `Intl` takes offsets such as +01:00 too; they have no daylight saving, and are not what people mean.
  if (!/^[A-Za-z][\w+\-/]{0,63}$/.test(name)) return false;
  let known = zones.get(name);
  if (known === undefined) {
    known = intlKnows(name);
    if (zones.size >= maxZones) zones.clear();
    zones.set(name, known);
  }
  return known;
}

function intlKnows(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
