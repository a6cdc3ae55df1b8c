/** Whether runs of two policies start at about the same time. */
import { entryTimezone, policyTimezone } from '../policy-schema.ts';
import type { PolicyDraft } from '../policy-schema.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import { nextRuns } from '../schedule/runs.ts';
import { isOpen } from '../schedule/window.ts';

const minuteMs = 60_000;
const minutesPerDay = 24 * 60;
const dayMs = minutesPerDay * minuteMs;
/** Runs that start so near to each other are under way together. */
const nearMinutes = 15;
/** A month with all that is due once in it. */
const horizonMs = 35 * dayMs;
/** Runs are looked for so many at a time: more than one a day in a month. */
const batch = 40;
/** Of an hourly run, all. What runs more often meets whatever else runs within days. */
const maxRuns = 900;

/** The first moment from `now` on, in the next weeks, at which a run of `own` starts while one of `other` starts or has just started. */
export function firstTogether(own: PolicyDraft, other: PolicyDraft, now: number): number | undefined {
  const theirs = startsOf(other, now);
  let at = 0;
  for (const start of startsOf(own, now)) {
    while ((theirs[at] ?? Infinity) < start - nearMinutes * minuteMs) at += 1;
    if (start >= now && (theirs[at] ?? Infinity) <= start + nearMinutes * minuteMs) return start;
  }
  return undefined;
}

/**
 * When runs start, by the clocks of the policy's zone: enough to say that two policies do not meet, without going through the calendar. A run that is
 * late on the one day on which its hour is skipped is left out of account.
 */
interface TimesOfDay {
  readonly timezone: string;
  /** Minutes since midnight, in order. */
  readonly minutes: readonly number[];
  /** How much later runs start at most, in minutes. */
  readonly jitter: number;
}

const times = new WeakMap<PolicyDraft, TimesOfDay | undefined>();

function timesOf(draft: PolicyDraft): TimesOfDay | undefined {
  if (!times.has(draft)) times.set(draft, readTimes(draft));
  return times.get(draft);
}

/** Undefined where entries count by other clocks than the policy. */
function readTimes(draft: PolicyDraft): TimesOfDay | undefined {
  const { schedule = [], window } = draft;
  const timezone = policyTimezone(draft);
  if (schedule.some((entry) => entryTimezone(draft, entry) !== timezone)) return undefined;
  const minutes = new Set<number>();
  for (const { cron } of schedule) {
    const fields = cronFields(cron);
    for (const hour of fields.hours) {
      for (const minute of fields.minutes) {
        const due = hour * 60 + minute;
        minutes.add(window === undefined || isOpen(window, 'UTC', due * minuteMs) ? due : window.from);
      }
    }
  }
  const jitter = Math.max(0, ...schedule.map((entry) => (entry.jitter ?? 0) / minuteMs));
  return { timezone, minutes: [...minutes].toSorted((a, b) => a - b), jitter };
}

/** Whether runs of both can start near to each other. False is certain, true is not. */
export function mayMeet(ownDraft: PolicyDraft, otherDraft: PolicyDraft): boolean {
  const [own, other] = [timesOf(ownDraft), timesOf(otherDraft)];
  if (own === undefined || other === undefined || own.timezone !== other.timezone) return true;
  const near = nearMinutes + own.jitter + other.jitter;
  const { minutes } = other;
  const [first] = minutes;
  const last = minutes.at(-1);
  if (first === undefined || last === undefined) return false;
  const around = [last - minutesPerDay, ...minutes, first + minutesPerDay];
  let at = 0;
  return own.minutes.some((minute) => {
    while ((around[at] ?? Infinity) < minute - near) at += 1;
    return (around[at] ?? Infinity) <= minute + near;
  });
}

const maxRemembered = 2048;
const remembered = new Map<string, readonly number[]>();

/** When runs of a policy start in the next weeks. Remembered by what it depends on: most keystrokes do not touch it. */
function startsOf({ name = '', timezone, schedule, window }: PolicyDraft, now: number): readonly number[] {
  if (schedule === undefined) return [];
  const from = Math.floor(now / dayMs) * dayMs;
  const key = JSON.stringify([from, name, timezone, schedule, window]);
  let starts = remembered.get(key);
  if (starts === undefined) {
    const scheduled = {
      name,
      schedule,
      ...(timezone === undefined ? {} : { timezone }),
      ...(window === undefined ? {} : { window }),
    };
    starts = runsFrom(scheduled, from);
    const [oldest] = remembered.keys();
    if (remembered.size >= maxRemembered && oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, starts);
  }
  return starts;
}

function runsFrom(policy: Parameters<typeof nextRuns>[0], from: number): readonly number[] {
  const starts: number[] = [];
  while (starts.length < maxRuns) {
    const next = nextRuns(policy, starts.at(-1) ?? from, batch).map(({ at }) => at);
    starts.push(...next.filter((at) => at <= from + horizonMs));
    if (next.length < batch || (next.at(-1) ?? Infinity) > from + horizonMs) break;
  }
  return starts;
}
