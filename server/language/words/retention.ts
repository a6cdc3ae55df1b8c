/** What a retention keeps, in words. */
import type { RetentionRules } from '../../policy/index.ts';
import { countText, listText } from './text.ts';

const levels = [
  ['keepHourly', 'hour'],
  ['keepDaily', 'day'],
  ['keepWeekly', 'week'],
  ['keepMonthly', 'month'],
  ['keepYearly', 'year'],
] as const;

/** Of each VM: what is kept, and how many restore points that are at most. */
export function retentionWords(rules: RetentionRules): string {
  const spans = levels.flatMap(([key, unit]) => {
    const count = rules[key] ?? 0;
    return count === 0 ? [] : [countText(count, unit)];
  });
  const last = rules.keepLast ?? 0;
  const kept = [
    ...(last === 0 ? [] : [last === 1 ? 'the newest restore point' : `the newest ${last} restore points`]),
    ...(spans.length === 0 ? [] : [`the newest one of each of the last ${listText(spans)} that have one`]),
  ];
  if (kept.length === 0) return 'Keeps only the newest good restore point of each VM.';
  const most = last + levels.reduce((sum, [key]) => sum + (rules[key] ?? 0), 0);
  return `Keeps, of each VM, ${kept.join(', and ')}: at most ${countText(most, 'restore point')}.`;
}
