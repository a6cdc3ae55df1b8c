/**
 * The hours in which runs may start, by what the zone's clocks show: `from` is in, `to` is not. When clocks are put back, a window can close and open
 * again within an hour; when they are put forward, one that lies in the skipped hour does not open on that day.
 */
import type { PolicyWindow } from '../policy-schema.ts';
import { instantsOf, localPeriod, offsetChanges, toLocal } from './zoned.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A window that opens at all does so within this many days, whatever clocks do in between. */
const searchDays = 3;

/** Whether runs may start. A window whose ends are the same never opens. */
export function isOpen(window: PolicyWindow, timezone: string, at: number): boolean {
  const local = toLocal(timezone, at);
  const minute = (local - localPeriod('day', local) * dayMs) / minuteMs;
  return window.from <= window.to
    ? window.from <= minute && minute < window.to
    : window.from <= minute || minute < window.to;
}

/** When the window opens next, after `at`; undefined when it never does. */
export function nextOpening(window: PolicyWindow, timezone: string, at: number): number | undefined {
  return nextChange(window, timezone, at, true);
}

/** When the window closes next, after `at`; undefined when it never opens. */
export function nextClosing(window: PolicyWindow, timezone: string, at: number): number | undefined {
  return nextChange(window, timezone, at, false);
}

/** When a run that is due may start: at once, or when the window opens; undefined when it never does. Without a window at once. */
export function startOf(due: number, window: PolicyWindow | undefined, timezone: string): number | undefined {
  return window === undefined || isOpen(window, timezone, due) ? due : nextOpening(window, timezone, due);
}

function nextChange(window: PolicyWindow, timezone: string, at: number, opens: boolean): number | undefined {
  if (window.from === window.to) return undefined;
  const today = localPeriod('day', toLocal(timezone, at));
  // It may also open or close as the clocks jump over its time, or back behind it.
  const moments: number[] = offsetChanges(timezone, at, at + searchDays * dayMs).map((change) => change.at);
  for (let day = today - 1; day <= today + searchDays; day++) {
    for (const minute of [window.from, window.to]) {
      const local = day * dayMs + minute * minuteMs;
      moments.push(...instantsOf(timezone, local));
    }
  }
  return moments
    .filter((moment) => moment > at)
    .toSorted((a, b) => a - b)
    .find((moment) => isOpen(window, timezone, moment) === opens && isOpen(window, timezone, moment - 1) !== opens);
}
