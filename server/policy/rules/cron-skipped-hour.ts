/** TM7202: a time that the clocks skip when they are put forward. Information where the run is only late, a warning where it is left out. */
import { diagnosticCodes } from '../diagnostic.ts';
import { entryTimezone } from '../policy-schema.ts';
import { clockChanges } from '../schedule/cron-facts.ts';
import type { ClockChange } from '../schedule/cron-facts.ts';
import { withTime } from './cron-text.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { momentText } from './moments.ts';
import type { Rule } from './rule.ts';

const dayMs = 86_400_000;
const hourMinutes = 60;
/** Clocks are changed each year at about the same time. */
const horizonMs = 400 * dayMs;
const maxRemembered = 512;
const remembered = new Map<string, ClockChange | undefined>();

export const cronSkippedHour: Rule = (source, { now }) =>
  (source.draft.schedule ?? []).flatMap((entry, index) => {
    const timezone = entryTimezone(source.draft, entry);
    const skipped = firstSkipped(entry.cron, timezone, now);
    if (skipped === undefined) return [];
    const late = skipped.effect === 'late';
    const starts = momentText(timezone, skipped.at).slice(-5);
    const path = ['schedule', index, 'cron'];
    const [day = '', time = ''] = momentText('UTC', skipped.local).split(' ');
    // The first full hour that the clocks show again.
    const after = Math.ceil(Date.parse(`1970-01-01T${starts}Z`) / 60_000 / hourMinutes) * hourMinutes;
    const moved = late ? withTime(entry.cron, after) : undefined;
    return [
      finding(source, {
        code: diagnosticCodes.cronSkippedHour,
        severity: late ? 'information' : 'warning',
        message: `On ${day} the clocks skip ${time}. ${late ? `The run starts at ${starts} then.` : 'There is no run at that time then.'}`,
        path,
        fixes: moved === undefined ? [] : fixOf(`Change to "${moved}"`, [replaceText(source, path, moved)]),
      }),
    ];
  });

function firstSkipped(cron: string, timezone: string, now: number): ClockChange | undefined {
  const from = Math.floor(now / dayMs) * dayMs;
  const key = `${timezone} ${from} ${cron}`;
  if (remembered.has(key)) return remembered.get(key);
  const found = clockChanges({ cron, timezone }, from, from + horizonMs).find(({ kind }) => kind === 'skipped');
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(key, found);
  return found;
}
