/** Moments in the time zone of a policy. */
import { localFields } from '../../policy/schedule/zoned.ts';

const weekdays = ['', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** `Sat 2026-11-28 02:00`. `at` is ms since 1970. */
export function momentText(at: number, timezone: string): string {
  const { year, month, day, hour, minute, weekday } = localFields(timezone, at);
  const two = (value: number): string => value.toString().padStart(2, '0');
  return `${weekdays[weekday] ?? ''} ${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}

/** The same of a timestamp. */
export function timestampText(timestamp: string, timezone: string): string {
  return momentText(Date.parse(timestamp), timezone);
}
