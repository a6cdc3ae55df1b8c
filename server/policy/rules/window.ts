/** TM7211: a window that never opens. TM7204: a window in which no run is ever due. */
import { diagnosticCodes } from '../diagnostic.ts';
import { entryTimezone, policyTimezone } from '../policy-schema.ts';
import type { PolicyDraft, PolicyWindow, ScheduleEntry } from '../policy-schema.ts';
import { cronFields } from '../schedule/cron-fields.ts';
import { neverFires } from '../schedule/cron-facts.ts';
import { isOpen } from '../schedule/window.ts';
import { formatTimeOfDay } from '../units.ts';
import { withTime } from './cron-text.ts';
import { fixOf, removeKey, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { firingsOf } from './firings.ts';
import type { Rule } from './rule.ts';

export const windowEmpty: Rule = (source) => {
  const { window } = source.draft;
  if (window === undefined || window.from !== window.to) return [];
  const time = formatTimeOfDay(window.from);
  return [
    finding(source, {
      code: diagnosticCodes.windowEmpty,
      severity: 'error',
      message: `A window from ${time} to ${time} never opens: no run would start.`,
      path: ['window'],
      fixes: fixOf('Remove the window', [removeKey(source, ['window'])]),
    }),
  ];
};

export const windowNeverOpen: Rule = (source, { now }) => {
  const { window, schedule = [] } = source.draft;
  if (window === undefined || window.from === window.to) return [];
  return schedule.flatMap((entry, index) => {
    if (neverFires(entry.cron) || isEverOpen(window, source.draft, entry, now)) return [];
    const opens = formatTimeOfDay(window.from);
    const path = ['schedule', index, 'cron'];
    const moved = sameZone(source.draft, entry) ? withTime(entry.cron, window.from) : undefined;
    const range = source.rangeOf(['window']);
    return [
      finding(source, {
        code: diagnosticCodes.windowNeverOpen,
        severity: 'warning',
        message: `These runs are always due outside the window. They wait, and start when it opens at ${opens}.`,
        path,
        related: range === undefined ? [] : [{ range, message: 'The window.' }],
        fixes: moved === undefined ? [] : fixOf(`Start at ${opens}`, [replaceText(source, path, moved)], true),
      }),
    ];
  });
};

const minutesPerHour = 60;

function isEverOpen(window: PolicyWindow, draft: PolicyDraft, entry: ScheduleEntry, now: number): boolean {
  const zone = policyTimezone(draft);
  if (!sameZone(draft, entry))
    return firingsOf(
      { cron: entry.cron, timezone: entryTimezone(draft, entry) },
      now,
      draft.schedule?.length ?? 1,
    ).some((at) => isOpen(window, zone, at));
  const { hours, minutes } = cronFields(entry.cron);
  // Where both count by the same clocks, the times of a day say it all. UTC stands for any zone.
  return hours.some((hour) =>
    minutes.some((minute) => isOpen(window, 'UTC', (hour * minutesPerHour + minute) * 60_000)),
  );
}

function sameZone(draft: PolicyDraft, entry: ScheduleEntry): boolean {
  return entryTimezone(draft, entry) === policyTimezone(draft);
}
