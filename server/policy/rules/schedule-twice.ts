/** TM7210: entries of the schedule that are due at the same moment. They become one run, a full when one of them is to be one. */
import { diagnosticCodes } from '../diagnostic.ts';
import { entryTimezone } from '../policy-schema.ts';
import type { ScheduleEntry } from '../policy-schema.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import type { PolicySource } from '../source.ts';
import { cronText, withFields } from './cron-text.ts';
import { fixOf, removeItem, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { firingsOf } from './firings.ts';
import { momentText } from './moments.ts';
import type { Rule } from './rule.ts';

export const scheduleTwice: Rule = (source, { now }) => {
  const { draft } = source;
  const { schedule = [] } = draft;
  if (schedule.length < 2) return [];
  const firstAt = new Map<number, number>();
  return schedule.flatMap((entry, index) => {
    const timezone = entryTimezone(draft, entry);
    const firings = firingsOf({ cron: entry.cron, timezone }, now, schedule.length);
    const common = firings.find((at) => firstAt.has(at));
    const firstIndex = common === undefined ? undefined : firstAt.get(common);
    for (const at of firings) if (!firstAt.has(at)) firstAt.set(at, index);
    const first = firstIndex === undefined ? undefined : schedule[firstIndex];
    if (common === undefined || firstIndex === undefined || first === undefined) return [];
    const sameType = (first.type ?? 'incremental') === (entry.type ?? 'incremental');
    const range = source.rangeOf(['schedule', firstIndex, 'cron']);
    return [
      finding(source, {
        code: diagnosticCodes.scheduleTwice,
        severity: sameType ? 'warning' : 'information',
        message: `Another entry is due at the same moment, first at ${momentText(timezone, common)}. That is one run${sameType ? '' : ', a full'}.`,
        path: ['schedule', index, 'cron'],
        related: range === undefined ? [] : [{ range, message: 'The other entry.' }],
        fixes: fixes(source, {
          firstIndex,
          first,
          index,
          entry,
          sameType,
          sameZone: timezone === entryTimezone(draft, first),
        }),
      }),
    ];
  });
};

interface Pair {
  readonly firstIndex: number;
  readonly first: ScheduleEntry;
  readonly index: number;
  readonly entry: ScheduleEntry;
  readonly sameZone: boolean;
  readonly sameType: boolean;
}

function fixes(source: PolicySource, { firstIndex, first, index, entry, sameZone, sameType }: Pair) {
  if (!sameZone) return [];
  const [one, other] = [cronText(first.cron), cronText(entry.cron)];
  if (one === undefined || other === undefined) return [];
  if (sameType && withFields(first.cron, {}) === withFields(entry.cron, {}))
    return fixOf('Remove this entry', [removeItem(source, ['schedule'], index)]);
  if (one.weekday === '*' && other.weekday !== '*')
    return otherDays(source, firstIndex, first, entry, 'Change the other one');
  if (one.weekday !== '*' && other.weekday === '*') return otherDays(source, index, entry, first, 'Change');
  return [];
}

const weekdayNames = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];

/** Leaves to `rare` its days of the week: `0 2 * * *` beside `0 2 * * SUN` becomes `0 2 * * MON-SAT`. */
function otherDays(source: PolicySource, index: number, daily: ScheduleEntry, rare: ScheduleEntry, verb: string) {
  const { daysBy, weekdays } = cronFields(rare.cron);
  if (daysBy !== 'week' || weekdays.some(({ nth }) => nth !== undefined)) return [];
  const left = [1, 2, 3, 4, 5, 6, 7].filter((day) => weekdays.every(({ weekday }) => weekday !== day));
  const names = left.map((day) => weekdayNames[day - 1] ?? '');
  const [first] = left;
  const last = left.at(-1);
  if (first === undefined || last === undefined) return [];
  const isRange = left.length > 2 && last - first + 1 === left.length;
  const days = isRange ? `${names[0] ?? ''}-${names.at(-1) ?? ''}` : names.join(',');
  const changed = withFields(daily.cron, { weekday: days });
  if (changed === undefined) return [];
  return fixOf(`${verb} to "${changed}"`, [replaceText(source, ['schedule', index, 'cron'], changed)], true);
}
