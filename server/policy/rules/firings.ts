/** When entries of schedules fire, remembered: rules ask for the same at each keystroke. */
import { occurrences } from '../schedule/occurrences.ts';
import type { CronEntry } from '../schedule/occurrences.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Long enough for each day of a year. */
const horizonMs = 400 * 24 * hourMs;
/** Most are daily. What fires more often shows its pattern within these. */
const maxFirings = 400;
/** The entries of a schedule share these: a file with very many of them costs no more. */
const budget = 3000;
const maxRemembered = 512;

const remembered = new Map<string, readonly number[]>();

/** When one of `entries` entries fires from `now` on, for up to 400 days, earliest first; not all when it is often. */
export function firingsOf(entry: CronEntry, now: number, entries: number): readonly number[] {
  const limit = Math.min(maxFirings, Math.floor(budget / entries));
  const found = firingsFrom(entry, Math.floor(now / hourMs) * hourMs, limit);
  const next = found.findIndex((at) => at >= now);
  if (next >= 0) return next === 0 ? found : found.slice(next);
  // All that may be looked at was earlier in this hour.
  return found.length === 0 ? found : firingsFrom(entry, Math.ceil(now / minuteMs) * minuteMs, limit);
}

function firingsFrom(entry: CronEntry, from: number, limit: number): readonly number[] {
  const key = `${entry.timezone} ${from} ${limit} ${entry.cron}`;
  let found = remembered.get(key);
  if (found === undefined) {
    found = occurrences(entry, { after: from - 1, until: from + horizonMs, limit });
    const [oldest] = remembered.keys();
    if (remembered.size >= maxRemembered && oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, found);
  }
  return found;
}
