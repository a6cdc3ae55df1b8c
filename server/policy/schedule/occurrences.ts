/**
 * When a cron expression fires. Times that clocks skip or repeat are handled as cron does it: an entry that names its hours and minutes runs right
 * after the gap, and once in the hour that comes twice; one with `*` or a step follows the clocks, so that an hourly run stays hourly.
 */
import { Cron } from 'croner';
import type { CronOptions } from 'croner';

/** An expression that the schema accepted, and the zone that its hours are counted in. */
export interface CronEntry {
  readonly cron: string;
  readonly timezone: string;
}

/** How expressions of policies are read: five fields, or a name such as `@daily`. */
export function cronOptions(cron: string): Pick<CronOptions, 'mode' | 'fixedTimeRule'> {
  return { mode: cron.startsWith('@') ? 'auto' : '5-part', fixedTimeRule: 'no-wildcard' };
}

/** Expressions that were read last. Reading one is slower than finding its next time. */
const crons = new Map<string, Cron>();
const maxCrons = 64;

function cronOf({ cron, timezone }: CronEntry): Cron {
  const key = `${timezone} ${cron}`;
  let found = crons.get(key);
  if (found === undefined) {
    found = new Cron(cron, { ...cronOptions(cron), timezone, paused: true });
    const [oldest] = crons.keys();
    if (crons.size >= maxCrons && oldest !== undefined) crons.delete(oldest);
    crons.set(key, found);
  }
  return found;
}

/**
 * When an entry fires after `after`, earliest first: at most `limit` times, none after `until`. Fewer, or none, when it does not fire that often.
 * Throws a `TypeError` for an expression that the schema does not accept.
 */
export function occurrences(
  entry: CronEntry,
  { after, until = Infinity, limit }: { readonly after: number; readonly until?: number; readonly limit: number },
): readonly number[] {
  const cron = cronOf(entry);
  const found: number[] = [];
  let at = after;
  while (found.length < limit) {
    const next = cron.nextRun(new Date(at))?.getTime();
    if (next === undefined || next > until || next <= at) break;
    found.push(next);
    at = next;
  }
  return found;
}

/** When an entry fired last before `before`; undefined when it never did. */
export function previousOccurrence(entry: CronEntry, before: number): number | undefined {
  return cronOf(entry).previousRuns(1, new Date(before))[0]?.getTime();
}
