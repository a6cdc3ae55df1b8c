/**
 * When a policy's runs start. A run is due when an entry of the schedule fires; it waits until the window is open, then for the entry's jitter. Runs
 * that wait for the same moment are one run, a full when one of them is to be one.
 */
import { entryTimezone, policyTimezone } from '../policy-schema.ts';
import type { Policy, PolicyWindow, ScheduleEntry } from '../policy-schema.ts';
import { occurrences, previousOccurrence } from './occurrences.ts';
import type { CronEntry } from './occurrences.ts';
import { nextClosing, startOf } from './window.ts';

/** What of a policy says when it runs. */
export type Scheduled = Pick<Policy, 'name' | 'timezone' | 'schedule' | 'window'>;

/** A run of a schedule. */
export interface ScheduledRun {
  /** When it starts, ms since 1970. */
  readonly at: number;
  readonly type: 'full' | 'incremental';
  /** Which entry of `schedule` it is of. */
  readonly entry: number;
}

/** Runs that came due while nobody looked. */
export interface DueRuns {
  readonly newest: ScheduledRun;
  /** How many there are. */
  readonly count: number;
  /** Whether there are more than `count`: counting ends at 1,000. */
  readonly more: boolean;
  /** What one run in place of all of them reads: everything when one of them was to. */
  readonly type: 'full' | 'incremental';
}

const maxCounted = 1000;
const minuteMs = 60_000;

/** How much later than its entry says a run starts, in ms: the same at each run, spread evenly over `jitter` ms. */
export function jitterMs(policyName: string, entryIndex: number, jitter: number): number {
  if (!(jitter >= 1)) return 0;
  // FNV-1a, then mixed: names that differ in their last letter are to be far apart.
  let hash = 0x811c9dc5;
  for (const character of `${policyName}/${entryIndex}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return Math.floor((hash / 2 ** 32) * jitter);
}

/** The next runs after `after`, earliest first. Fewer than `limit` when the schedule has no more. */
export function nextRuns(policy: Scheduled, after: number, limit: number): readonly ScheduledRun[] {
  return runsIn(policy, after, Infinity, limit);
}

/** The runs that came due in (since, now]; undefined when none did. The work is bounded, however long ago `since` is. */
export function dueRuns(policy: Scheduled, since: number, now: number): DueRuns | undefined {
  const first = runsIn(policy, since, now, maxCounted + 1);
  const more = first.length > maxCounted;
  const newest = more ? newestRun(policy, since, now) : first.at(-1);
  if (newest === undefined) return undefined;
  const full = first.some((run) => run.type === 'full') || (more && runsIn(policy, since, now, 1, 'full').length > 0);
  return { newest, count: Math.min(first.length, maxCounted), more, type: full ? 'full' : 'incremental' };
}

/** The newest run in (since, now] without counting the others. */
function newestRun(policy: Scheduled, since: number, now: number): ScheduledRun | undefined {
  let early = since;
  let late = now;
  while (late - early > minuteMs) {
    const middle = Math.floor((early + late) / 2);
    if (runsIn(policy, middle, now, 1).length > 0) early = middle;
    else late = middle;
  }
  return runsIn(policy, early, now, maxCounted).at(-1);
}

/** Runs that wait for the same moment. */
interface Start {
  /** When they may start, before jitter. */
  readonly open: number;
  readonly run: ScheduledRun;
}

/** The first runs in (after, until], earliest first. */
function runsIn(
  policy: Scheduled,
  after: number,
  until: number,
  limit: number,
  only?: 'full',
): readonly ScheduledRun[] {
  const entries = [...(policy.schedule ?? []).entries()].filter(([, { type }]) => only === undefined || type === only);
  // All streams begin at the same moment: which entry a shared run is of depends on all that share it.
  const from = after - Math.max(0, ...entries.map(([index, { jitter = 0 }]) => jitterMs(policy.name, index, jitter)));
  const streams = entries.map(([index, entry]) => new EntryStream(policy, index, entry, from));
  const found: ScheduledRun[] = [];
  if (limit < 1) return found;
  // What may start later than this is not among the first `limit`.
  let last = until;
  for (;;) {
    const open = Math.min(...streams.map((stream) => stream.head?.open ?? Infinity));
    if (open === Infinity || open > last) break;
    const same = streams.filter((stream) => stream.head?.open === open);
    const heads = same.flatMap((stream) => (stream.head === undefined ? [] : [stream.head.run]));
    const run = heads.find(({ type }) => type === 'full') ?? heads[0];
    if (run !== undefined && run.at > after && run.at <= last) found.push(run);
    if (found.length === limit) last = Math.min(last, Math.max(...found.map(({ at }) => at)));
    for (const stream of same) stream.advance();
  }
  return found.toSorted((a, b) => a.at - b.at).slice(0, limit);
}

/** The starts of one entry, each later than the one before. */
class EntryStream {
  head: Start | undefined;
  readonly #cron: CronEntry;
  readonly #window: PolicyWindow | undefined;
  readonly #timezone: string;
  readonly #jitter: number;
  readonly #run: Omit<ScheduledRun, 'at'>;

  /** The starts after `from`. */
  constructor(policy: Scheduled, index: number, entry: ScheduleEntry, from: number) {
    this.#timezone = policyTimezone(policy);
    this.#cron = { cron: entry.cron, timezone: entryTimezone(policy, entry) };
    this.#window = policy.window;
    this.#jitter = jitterMs(policy.name, index, entry.jitter ?? 0);
    this.#run = { type: entry.type ?? 'incremental', entry: index };
    // What came due before may still wait for the window.
    const waiting = policy.window === undefined ? undefined : previousOccurrence(this.#cron, from + 1);
    this.head = waiting === undefined ? undefined : this.#start(waiting);
    if (this.head === undefined || this.head.open <= from) this.#next(from);
  }

  advance(): void {
    if (this.head !== undefined) this.#next(this.head.open);
  }

  #next(after: number): void {
    const [due] = occurrences(this.#cron, { after, limit: 1 });
    this.head = due === undefined ? undefined : this.#start(due);
  }

  #start(due: number): Start | undefined {
    const open = startOf(due, this.#window, this.#timezone);
    if (open === undefined) return undefined;
    return { open, run: { at: open + this.#delay(open), ...this.#run } };
  }

  /** Jitter does not push a run out of the window. */
  #delay(open: number): number {
    if (this.#jitter === 0 || this.#window === undefined) return this.#jitter;
    const closes = nextClosing(this.#window, this.#timezone, open);
    return closes === undefined ? this.#jitter : this.#jitter % (closes - open);
  }
}
