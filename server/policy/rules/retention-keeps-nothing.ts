/** TM7206: retention without a rule that keeps anything. An error when all but one restore point would go. */
import { diagnosticCodes } from '../diagnostic.ts';
import { fixOf, removeKey } from './edits.ts';
import { finding } from './finding.ts';
import type { Rule } from './rule.ts';

const suggestion = '{ keepDaily: 14 }';

export const retentionKeepsNothing: Rule = (source) => {
  const { retention } = source.draft;
  if (retention === undefined) return [];
  const counts = Object.values(retention).filter((count) => count !== undefined);
  if (counts.some((count) => count > 0)) return [];
  const path = ['retention'];
  const range = source.rangeOf(path);
  const none = counts.length === 0;
  return [
    finding(source, {
      code: diagnosticCodes.retentionKeepsNothing,
      severity: none ? 'warning' : 'error',
      message: none
        ? 'This names no rule: nothing is deleted.'
        : 'No rule keeps anything: all restore points but the newest would be deleted.',
      path,
      fixes: [
        ...fixOf(`Change to ${suggestion}`, [range === undefined ? undefined : { range, text: suggestion }], true),
        ...fixOf('Delete nothing: remove retention', [removeKey(source, path)]),
      ],
    }),
  ];
};
