/** Aligned tables and ages, for people. */
import { printable } from './printable.ts';

/** A column: its title and which side its cells keep to. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Rows as lines, columns as wide as their widest cell, two spaces between. No trailing blanks. Cells are shown as they are: nothing in a name moves the cursor. */
export function table(columns: readonly Column[], cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    columns
      .map((column, index) => {
        const cell = row[index] ?? '';
        const width = widths[index] ?? 0;
        return column.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...rows].map((row) => `${line(row)}\n`).join('');
}

/** How long ago a moment (RFC 3339) was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function age(timestamp: string, now: number = Date.now()): string {
  const minutes = Math.floor((now - Date.parse(timestamp)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
}

/** A moment in local time, to the minute, for lists. */
export function localMinute(timestamp: string): string {
  return localTime(timestamp).slice(0, -':00'.length);
}

/** A moment in local time, to the second. */
export function localTime(timestamp: string): string {
  const date = new Date(timestamp);
  const two = (value: number): string => value.toString().padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A moment in a time zone, to the minute, with its day of the week: `Sun 2026-11-29 02:00`. In UTC where the zone is not known. */
export function zonedMinute(timestamp: string, timezone: string): string {
  const parts = new Map(
    zoneFormat(timezone)
      .formatToParts(new Date(timestamp))
      .map(({ type, value }) => [type, value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  return `${part('weekday')} ${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}`;
}

/** As `zonedMinute`, with the zone: `Sun 2026-11-29 02:00 (Europe/Berlin)`. Runs of policies are told so everywhere. */
export function zonedMoment(timestamp: string, timezone = 'UTC'): string {
  return `${zonedMinute(timestamp, timezone)} (${timezone})`;
}

function zoneFormat(timeZone: string): Intl.DateTimeFormat {
  const options = {
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  } as const;
  try {
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' });
  }
}

/** `1 VM`, `3 VMs`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
