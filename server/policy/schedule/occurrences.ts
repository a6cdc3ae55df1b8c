/**
 * When a cron expression fires. Times that clocks skip or repeat are handled as cron does it: an entry that names its hours and minutes runs right
 * after the gap, and once in the hour that comes twice; one with `*` or a step follows the clocks, so that an hourly run stays hourly. Croner reads expressions the
 * same way, and the tests have it judge; it takes a hundred times as long, which a daemon with hundreds of policies and an editor at each keystroke do not have.
 */
import { firesOn } from './cron-days.ts';
import { cronFields } from './cron-fields.ts';
import type { CronFields } from './cron-fields.ts';
import { instantOf, instantsOf, localPeriod, offsetAt, toLocal } from './zoned.ts';

/** An expression that the schema accepted, and the zone that its hours are counted in. */
export interface CronEntry {
  readonly cron: string;
  readonly timezone: string;
}

/**
 * When an entry fires after `after`, earliest first: at most `limit` times, none after `until`. Fewer, or none, when it does not fire that often.
 * Throws a `TypeError` or `RangeError` for an expression that the schema does not accept.
 */
export function occurrences(
  entry: CronEntry,
  { after, until = Infinity, limit }: { readonly after: number; readonly until?: number; readonly limit: number },
): readonly number[] {
  const times = timesOf(entry);
  const found: number[] = [];
  for (let at = times.next(after); found.length < limit && at !== undefined && at <= until; at = times.next(at)) {
    found.push(at);
  }
  return found;
}

/** When an entry fired last before `before`; undefined when it never did. */
export function previousOccurrence(entry: CronEntry, before: number): number | undefined {
  return timesOf(entry).previous(before);
}

/** Entries that were asked for last. */
const known = new Map<string, CronTimes>();
const maxKnown = 512;

function timesOf({ cron, timezone }: CronEntry): CronTimes {
  const key = `${timezone} ${cron}`;
  let times = known.get(key);
  if (times === undefined) {
    times = new CronTimes(cron, timezone);
    if (known.size >= maxKnown) known.clear();
    known.set(key, times);
  }
  return times;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** Every kind of year, by leap day and first weekday, comes within so many days: what has not fired by then never does. */
const searchDays = 50 * 366;

class CronTimes {
  readonly #fields: CronFields;
  readonly #timezone: string;
  /** Minutes since midnight. */
  readonly #minutes: readonly number[];
  /** No day of any calendar is one of its days. */
  #never = false;
  /** Times of the days around a change of the clocks that were looked at last. */
  readonly #changing = new Map<number, readonly number[]>();

  constructor(cron: string, timezone: string) {
    this.#fields = cronFields(cron);
    this.#timezone = timezone;
    this.#minutes = this.#fields.hours.flatMap((hour) => this.#fields.minutes.map((minute) => hour * 60 + minute));
  }

  next(after: number): number | undefined {
    return this.#search(after, 1, (day) => this.#firstAfter(day, after), Math.min);
  }

  previous(before: number): number | undefined {
    return this.#search(before, -1, (day) => this.#lastBefore(day, before), Math.max);
  }

  /** Goes from day to day until one has a time. */
  #search(
    from: number,
    step: 1 | -1,
    timeOn: (day: number) => number | undefined,
    nearer: (a: number, b: number) => number,
  ): number | undefined {
    if (this.#never) return undefined;
    let never = true;
    // A day that is over by the clocks can come again, and times that it skips are made up for.
    const start = localPeriod('day', toLocal(this.#timezone, from)) - step;
    for (let day = start; Math.abs(day - start) <= searchDays; day += step) {
      if (!firesOn(this.#fields, day)) continue;
      never = false;
      const time = timeOn(day);
      if (time === undefined) continue;
      // When clocks are put back over midnight, the next day begins before this one has ended.
      const other = firesOn(this.#fields, day + step) ? timeOn(day + step) : undefined;
      return nearer(time, other ?? time);
    }
    this.#never = never && Math.abs(start) < lastDay;
    return undefined;
  }

  #firstAfter(day: number, after: number): number | undefined {
    const offset = this.#offsetOf(day);
    if (offset === undefined) return this.#timesOf(day).find((time) => time > after);
    const midnight = day * dayMs - offset;
    const index = countUpTo(this.#minutes, (after - midnight) / minuteMs);
    const minute = this.#minutes[index];
    return minute === undefined ? undefined : midnight + minute * minuteMs;
  }

  #lastBefore(day: number, before: number): number | undefined {
    const offset = this.#offsetOf(day);
    if (offset === undefined) return this.#timesOf(day).findLast((time) => time < before);
    const midnight = day * dayMs - offset;
    // The last minute that is not at or after `before`: times are whole minutes since midnight, `before` is any.
    const minute = this.#minutes[countUpTo(this.#minutes, Math.ceil((before - midnight) / minuteMs) - 1) - 1];
    return minute === undefined ? undefined : midnight + minute * minuteMs;
  }

  /** The offset of a day by the clocks; undefined when it changes on that day, or near to it. */
  #offsetOf(day: number): number | undefined {
    const noon = day * dayMs + dayMs / 2;
    const offset = offsetAt(this.#timezone, noon);
    const same = [noon - 2 * dayMs, noon - dayMs, noon + dayMs, noon + 2 * dayMs].every(
      (at) => offsetAt(this.#timezone, at) === offset,
    );
    return same ? offset : undefined;
  }

  #timesOf(day: number): readonly number[] {
    const found = this.#changing.get(day);
    if (found !== undefined) return found;
    const times = this.#minutes.flatMap((minute) => {
      const local = day * dayMs + minute * minuteMs;
      return this.#fields.fixedTime ? [instantOf(this.#timezone, local)] : instantsOf(this.#timezone, local);
    });
    times.sort((a, b) => a - b);
    if (this.#changing.size >= maxChanging) this.#changing.clear();
    this.#changing.set(day, times);
    return times;
  }
}

/** A change concerns five days. */
const maxChanging = 8;
/** No calendar goes much further; days since 1970. */
const lastDay = 99_000_000;

/** How many of ascending values are not larger than a limit. */
function countUpTo(values: readonly number[], limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
