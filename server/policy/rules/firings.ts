/** When entries of schedules fire, remembered: rules ask for the same at each keystroke. */
import { occurrences } from '../schedule/occurrences.ts';
import type { CronEntry } from '../schedule/occurrences.ts';

const hourMs = 3_600_000;
/** Long enough for each day of a year. */
const horizonMs = 400 * 24 * hourMs;
/** Most are daily. What fires more often shows its pattern within these. */
const maxFirings = 400;
const maxRemembered = 512;

const remembered = new Map<string, readonly number[]>();

/** When an entry fires from the hour of `now` on, for up to 400 days, at most 400 times, earliest first. */
export function firingsOf(entry: CronEntry, now: number): readonly number[] {
  const from = Math.floor(now / hourMs) * hourMs;
  const key = `${entry.timezone} ${from} ${entry.cron}`;
  let found = remembered.get(key);
  if (found === undefined) {
    found = occurrences(entry, { after: from - 1, until: from + horizonMs, limit: maxFirings });
    const [oldest] = remembered.keys();
    if (remembered.size >= maxRemembered && oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, found);
  }
  return found;
}
