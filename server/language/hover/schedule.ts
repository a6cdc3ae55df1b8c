/** Hovers over cron expressions and time zones. */
import { policyTimezone } from '../../policy/index.ts';
import type { PolicySource } from '../../policy/index.ts';
import { occurrences } from '../../policy/schedule/occurrences.ts';
import { isTimezone } from '../../policy/units.ts';
import { offsetAt } from '../../policy/schedule/zoned.ts';
import type { PolicyPath } from '../syntax/path.ts';
import { cronWords } from '../words/cron.ts';
import { escaped } from '../words/markdown.ts';
import { momentText } from '../words/time.ts';

const shownTimes = 5;

/** An expression in words and when it fires next, by the clocks of its zone. Undefined for a text that is none. */
export function cronHover(source: PolicySource, path: PolicyPath, cron: string, now: number): string | undefined {
  const words = cronWords(cron);
  if (words === undefined) return undefined;
  const timezone = zoneAt(source, path);
  const times = occurrences({ cron, timezone }, { after: now, limit: shownTimes });
  const head = `**${words.slice(0, 1).toUpperCase()}${words.slice(1)}**\n\n`;
  if (times.length === 0) return `${head}It never fires.`;
  const window = source.draft.window === undefined ? '' : '\n\nRuns wait until the window is open.';
  const list = times.map((at) => `- ${escaped(momentText(at, timezone))}`).join('\n');
  return `${head}The next times, in ${escaped(timezone)}:\n\n${list}${window}`;
}

/** The zone of the entry that a path leads into, also while another entry is wrong. */
function zoneAt(source: PolicySource, path: PolicyPath): string {
  const own = source.writtenAt([...path.slice(0, -1), 'timezone']);
  return own !== undefined && isTimezone(own) ? own : policyTimezone(source.draft);
}

/** What its clocks show now; undefined when there is no such zone. */
export function timezoneHover(timezone: string, now: number): string | undefined {
  if (!isTimezone(timezone)) return undefined;
  const minutes = Math.round(offsetAt(timezone, now) / 60_000);
  const sign = minutes < 0 ? '-' : '+';
  const two = (value: number): string => Math.floor(value).toString().padStart(2, '0');
  const offset = `UTC${sign}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  return `**${escaped(timezone)}**: now ${escaped(momentText(now, timezone))} (${escaped(offset)})`;
}
