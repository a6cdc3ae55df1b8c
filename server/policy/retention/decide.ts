/**
 * Which restore points retention keeps. Each rule looks at the restore points from the newest to the oldest and keeps the newest of each period that
 * has one, until its number of periods is reached; a restore point stays when one rule keeps it. Periods are those of the policy's time zone.
 *
 * Only good restore points take a rule's places. What is outside the rules never costs another restore point its place:
 * - pinned: always stays;
 * - damaged (not good): stays as long as a good one in its place would, so that there is one good one more behind it;
 * - dated in the future, since a clock was wrong: stays until its time has come. If it took places, new backups would be the ones that go.
 *
 * When in doubt nothing is deleted: without any rule, with rules that are no numbers, and in a time zone that this machine does not know.
 */
import type { RetentionRules } from '../policy-schema.ts';
import { isKnownZone, localPeriod, toLocal } from '../schedule/zoned.ts';
import type { Period } from '../schedule/zoned.ts';

/** What retention needs to know of a restore point. */
export interface RetentionPoint {
  readonly id: string;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly pinned: boolean;
  /** Whether it is complete and no check found it damaged. */
  readonly good: boolean;
}

/** What happens to a restore point. */
export interface Retained<P extends RetentionPoint> {
  readonly point: P;
  readonly keep: boolean;
  /** Why, for people; at least one. */
  readonly reasons: readonly string[];
}

interface Rule {
  readonly name: string;
  readonly key: keyof RetentionRules;
  /** Undefined: each restore point is a period of its own. */
  readonly period: Period | undefined;
}

const rules: readonly Rule[] = [
  { name: 'last', key: 'keepLast', period: undefined },
  { name: 'hourly', key: 'keepHourly', period: 'hour' },
  { name: 'daily', key: 'keepDaily', period: 'day' },
  { name: 'weekly', key: 'keepWeekly', period: 'week' },
  { name: 'monthly', key: 'keepMonthly', period: 'month' },
  { name: 'yearly', key: 'keepYearly', period: 'year' },
];

/**
 * Decides for the restore points of one VM that one policy made; newest first, equal times by id. `now` (ms since 1970) only tells which lie in the
 * future; without it none does. Never throws.
 */
export function decideRetention<P extends RetentionPoint>(
  points: readonly P[],
  retention: RetentionRules,
  timezone: string,
  now = Infinity,
): readonly Retained<P>[] {
  const sorted = points.toSorted(newestFirst);
  const refusal = refusalOf(retention, timezone);
  if (refusal !== undefined) return sorted.map((point) => ({ point, keep: true, reasons: [refusal] }));
  const places = rules.flatMap((rule) => {
    const limit = retention[rule.key] ?? 0;
    return limit > 0 ? [new Places(rule, limit)] : [];
  });
  // The newest good one stays without a rule; as with rules, damaged ones before it are kept.
  let newest = true;
  return sorted.map((point) => {
    const outside = outsideRules(point, now);
    if (outside !== undefined) return { point, keep: true, reasons: [outside] };
    const local = toLocal(timezone, point.createdAt);
    const reasons = point.good
      ? places.flatMap((rule) => rule.take(local) ?? [])
      : newest || places.some((rule) => rule.hasRoom(local))
        ? ['damaged, takes no place']
        : [];
    if (newest && point.good) {
      newest = false;
      reasons.push('the newest good one');
    }
    return reasons.length > 0 ? { point, keep: true, reasons } : { point, keep: false, reasons: ['no rule keeps it'] };
  });
}

/** Why nothing can be decided. */
function refusalOf(retention: RetentionRules, timezone: string): string | undefined {
  const limits = rules.flatMap(({ key }) => retention[key] ?? []);
  if (limits.length === 0) return 'retention names no rule';
  if (!limits.every((limit) => limit >= 0)) return 'retention has a rule that is no number';
  return isKnownZone(timezone) ? undefined : `the time zone ${timezone.slice(0, 64)} is not known here`;
}

/** Why a restore point stays without being asked for by a rule. */
function outsideRules(point: RetentionPoint, now: number): string | undefined {
  if (point.pinned) return 'pinned';
  if (!Number.isFinite(point.createdAt)) return 'its time is not known';
  return point.createdAt > now ? 'its time lies in the future' : undefined;
}

/** The places of one rule, filled from the newest restore point on. */
class Places {
  readonly #rule: Rule;
  readonly #limit: number;
  /** Numbers of periods; of `last`, where each restore point is one, only how many. */
  readonly #taken = new Set<number>();

  constructor(rule: Rule, limit: number) {
    this.#rule = rule;
    this.#limit = limit;
  }

  /** Takes the place of a good restore point's period: how that reads, or undefined when there is none for it. */
  take(local: number): string | undefined {
    if (!this.hasRoom(local)) return undefined;
    this.#taken.add(this.#periodOf(local));
    return `${this.#rule.name} ${this.#taken.size} of ${this.#limit}`;
  }

  /** Whether a good restore point would be kept. */
  hasRoom(local: number): boolean {
    return this.#taken.size < this.#limit && !this.#taken.has(this.#periodOf(local));
  }

  #periodOf(local: number): number {
    return this.#rule.period === undefined ? this.#taken.size : localPeriod(this.#rule.period, local);
  }
}

function newestFirst(a: RetentionPoint, b: RetentionPoint): number {
  const [first, second] = [timeOf(a), timeOf(b)];
  if (first !== second) return first > second ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id > b.id ? -1 : 1;
}

/** Whatever is no number comes last, so that the order of the others is one. */
function timeOf({ createdAt }: RetentionPoint): number {
  return Number.isNaN(createdAt) ? -Infinity : createdAt;
}
