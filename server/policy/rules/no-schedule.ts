/** TM7209: a policy that nothing starts. Information: it may be meant for runs by hand. */
import { diagnosticCodes } from '../diagnostic.ts';
import { addKeyAfter, fixOf } from './edits.ts';
import { finding } from './finding.ts';
import type { Rule } from './rule.ts';

export const noSchedule: Rule = (source) => {
  const { name } = source.draft;
  // A schedule that is there and not valid has findings of its own.
  if (name === undefined || source.rangeOf(['schedule'], 'key') !== undefined) return [];
  const lines = ['schedule:', '  - cron: "0 2 * * *"'];
  const daily = addKeyAfter(source, ['select'], { lines, flow: 'schedule: [{ cron: "0 2 * * *" }]' });
  return [
    finding(source, {
      code: diagnosticCodes.noSchedule,
      severity: 'information',
      message: 'Without `schedule` this policy runs only when somebody starts it.',
      path: ['name'],
      fixes: fixOf('Run every day at 02:00', [daily]),
    }),
  ];
};
