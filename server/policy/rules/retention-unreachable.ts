/** TM7207: a rule of the retention that never keeps what it seems to: runs are too rare for it, or other rules keep all of that already. */
import { diagnosticCodes } from '../diagnostic.ts';
import { entryTimezone, policyTimezone } from '../policy-schema.ts';
import type { PolicyDraft, RetentionRules } from '../policy-schema.ts';
import type { PolicySource } from '../source.ts';
import { fixOf, removeKey, renameKey } from './edits.ts';
import { finding } from './finding.ts';
import type { Rule } from './rule.ts';
import { anyTime, rateOf } from './run-rate.ts';
import type { RunRate, Span } from './run-rate.ts';

interface Level {
  readonly key: keyof RetentionRules;
  readonly span: Span;
  /** The levels whose spans lie within one of this; a week lies in no month. */
  readonly within: readonly (keyof RetentionRules)[];
  /** What the rule is mistaken for when there is at most one run in each of these spans. */
  readonly rarer?: { readonly span: Span; readonly key: keyof RetentionRules };
}

const levels: readonly Level[] = [
  { key: 'keepHourly', span: 'hour', within: ['keepLast'], rarer: { span: 'day', key: 'keepDaily' } },
  { key: 'keepDaily', span: 'day', within: ['keepLast', 'keepHourly'], rarer: { span: 'week', key: 'keepWeekly' } },
  {
    key: 'keepWeekly',
    span: 'week',
    within: ['keepLast', 'keepHourly', 'keepDaily'],
    rarer: { span: 'month', key: 'keepMonthly' },
  },
  {
    key: 'keepMonthly',
    span: 'month',
    within: ['keepLast', 'keepHourly', 'keepDaily'],
    rarer: { span: 'year', key: 'keepYearly' },
  },
  { key: 'keepYearly', span: 'year', within: ['keepLast', 'keepHourly', 'keepDaily', 'keepMonthly'] },
];

const partOf: Readonly<Record<keyof RetentionRules, Span>> = {
  keepLast: 'run',
  keepHourly: 'hour',
  keepDaily: 'day',
  keepWeekly: 'week',
  keepMonthly: 'month',
  keepYearly: 'year',
};

export const retentionUnreachable: Rule = (source) => {
  const { retention } = source.draft;
  const rate = retention === undefined ? undefined : rateOfPolicy(source.draft);
  if (retention === undefined || rate === undefined) return [];
  return levels.flatMap((level) => {
    const count = retention[level.key] ?? 0;
    if (count === 0) return [];
    const found =
      onlyNewest(source, level, retention, rate) ??
      contained(source, level, retention, rate) ??
      tooRare(source, level, retention, rate);
    if (found === undefined) return [];
    return [
      finding(source, {
        code: diagnosticCodes.retentionUnreachable,
        severity: 'warning',
        path: ['retention', level.key],
        part: 'entry',
        ...found,
      }),
    ];
  });
};

/** Undefined where entries count in several zones, or are not valid. */
function rateOfPolicy(draft: PolicyDraft): RunRate | undefined {
  const { schedule } = draft;
  if (schedule === undefined) return anyTime;
  const zone = policyTimezone(draft);
  return schedule.every((entry) => entryTimezone(draft, entry) === zone) ? rateOf(schedule) : undefined;
}

/** The newest restore point of this month is the newest one of all: one of them is no memory of a month. */
function onlyNewest(source: PolicySource, level: Level, retention: RetentionRules, rate: RunRate) {
  if (retention[level.key] !== 1) return undefined;
  return {
    message: `This keeps the newest restore point of one ${level.span}: that is the newest of all, which always stays.`,
    fixes: raise(source, level, retention, rate),
  };
}

/** Whether a finer rule keeps each restore point that this one keeps. */
function contained(source: PolicySource, level: Level, retention: RetentionRules, rate: RunRate) {
  const count = retention[level.key] ?? 0;
  const by = level.within.find((key) => reach(retention, key, level, rate) >= count);
  if (by === undefined) return undefined;
  return {
    message: `${by}: ${retention[by] ?? 0} keeps everything that this keeps.`,
    fixes: [
      ...raise(source, level, retention, rate),
      ...fixOf(`Remove ${level.key}`, [removeKey(source, ['retention', level.key])]),
    ],
  };
}

/**
 * How large the level's count can be so that the finer rule keeps all of it: the newest of a span is at most so many of the finer rule's parts
 * back as the later spans hold, and is itself one more.
 */
function reach(retention: RetentionRules, finer: keyof RetentionRules, level: Level, rate: RunRate): number {
  const count = retention[finer] ?? 0;
  const parts = rate(partOf[finer], level.span);
  return count === 0 ? 0 : Math.floor((count - 1) / parts) + 1;
}

/** The smallest count with which the rule keeps something of its own. */
function raise(source: PolicySource, level: Level, retention: RetentionRules, rate: RunRate) {
  const reached = level.within.map((key) => reach(retention, key, level, rate));
  const least = Math.max(1, ...reached) + 1;
  const range = source.rangeOf(['retention', level.key]);
  if (!Number.isSafeInteger(least) || range === undefined) return [];
  return fixOf(`Change to ${level.key}: ${least}`, [{ range, text: `${least}` }], true);
}

/** Whether runs are so rare that the rule counts longer spans than its own. */
function tooRare(source: PolicySource, { key, span, rarer }: Level, retention: RetentionRules, rate: RunRate) {
  const count = retention[key] ?? 0;
  if (rarer === undefined || rate('run', rarer.span) > 1) return undefined;
  const isFree = source.rangeOf(['retention', rarer.key], 'key') === undefined;
  const path = ['retention', key];
  return {
    message: `Runs come at most once a ${rarer.span}. Only ${span}s with a restore point count, so this keeps ${count} of them, over at least ${count} ${rarer.span}s.`,
    fixes: isFree
      ? fixOf(`Change to ${rarer.key}`, [renameKey(source, path, rarer.key)], true)
      : fixOf(`Remove ${key}`, [removeKey(source, path)], true),
  };
}
