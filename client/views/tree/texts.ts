/** Figures and times for people, as all views write them. Times are shown in this machine's time zone, as `2026-01-31 07:05`. */
import { l10n } from '../../base/l10n.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const two = (figure: number): string => String(figure).padStart(2, '0');

/** Milliseconds since 1970 of a time of the protocol; those given as a number already stay. */
export function millis(time: string | number): number {
  return typeof time === 'number' ? time : Date.parse(time);
}

/** `2026-01-31`. */
export function dayText(time: string | number): string {
  const date = new Date(millis(time));
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `07:05`. */
export function clockText(time: string | number): string {
  const date = new Date(millis(time));
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `2026-01-31 07:05`. */
export function timeText(time: string | number): string {
  return `${dayText(time)} ${clockText(time)}`;
}

/** `07:05` on the day of `now`, else with the day. */
export function shortTimeText(time: string | number, now: number): string {
  return dayText(time) === dayText(now) ? clockText(time) : timeText(time);
}

/** `Today`, `Yesterday`, or the day itself. `calendarDay` as `2026-01-31`. */
export function dayHeading(calendarDay: string, now: number): string {
  if (calendarDay === dayText(now)) return l10n.t('Today');
  const today = new Date(now);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1, 12);
  return calendarDay === dayText(yesterday.getTime()) ? l10n.t('Yesterday') : calendarDay;
}

/** How long ago, in the largest unit that says enough: `just now`, `5 min ago`, `3 h ago`, `12 days ago`. */
export function ageText(time: string | number, now: number): string {
  const age = Math.max(0, now - millis(time));
  if (age < minute) return l10n.t('just now');
  if (age < hour) return l10n.t('{0} min ago', Math.floor(age / minute));
  if (age < 2 * day) return l10n.t('{0} h ago', Math.floor(age / hour));
  return l10n.t('{0} days ago', Math.floor(age / day));
}

/** Time left: `50 s`, `12 min`, `3 h 5 min`. */
export function leftText(seconds: number): string {
  if (seconds < 60) return l10n.t('{0} s', Math.ceil(seconds));
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return l10n.t('{0} min', minutes);
  return l10n.t('{0} h {1} min', Math.floor(minutes / 60), minutes % 60);
}

/** `1 VM`, `12 VMs`. */
export function vmsText(count: number): string {
  return count === 1 ? l10n.t('1 VM') : l10n.t('{0} VMs', count.toLocaleString());
}

/** `1 restore point`, `12 restore points`. */
export function pointsText(count: number): string {
  return count === 1 ? l10n.t('1 restore point') : l10n.t('{0} restore points', count.toLocaleString());
}

/** `1 disk`, `3 disks`. */
export function disksText(count: number): string {
  return count === 1 ? l10n.t('1 disk') : l10n.t('{0} disks', count);
}

/** Names in a line; of many only the first, and how many more there are. */
export function namesText(names: readonly string[], most = 10): string {
  if (names.length <= most) return names.join(', ');
  return l10n.t('{0} and {1} more', names.slice(0, most).join(', '), (names.length - most).toLocaleString());
}

/** `1 warning`, `3 warnings`. */
export function warningsText(count: number): string {
  return count === 1 ? l10n.t('1 warning') : l10n.t('{0} warnings', count);
}

/** A bar of ten: `▓▓▓▓░░░░░░`. */
export function bar(fraction: number): string {
  const full = Math.floor(Math.min(1, Math.max(0, fraction)) * 10);
  return '▓'.repeat(full) + '░'.repeat(10 - full);
}

/** Whole percent; 100 only when everything is done. */
export function percent(done: number, total: number): number {
  if (total <= 0) return 0;
  return done >= total ? 100 : Math.min(99, Math.floor((done / total) * 100));
}
