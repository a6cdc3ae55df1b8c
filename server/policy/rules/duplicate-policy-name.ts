/** TM7208: two files with one name. An error: a daemon has one policy of a name, and each file would undo the other. */
import { diagnosticCodes } from '../diagnostic.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';

const maxNameLength = 64;

export const duplicatePolicyName: Rule = (source, { others }) => {
  const { name } = source.draft;
  if (name === undefined) return [];
  // What is only applied is most likely this very file.
  const same = others.filter(({ uri, draft }) => uri !== undefined && draft.name === name);
  if (same.length === 0) return [];
  const free = freeName(name, new Set(others.map(({ draft }) => draft.name)));
  return [
    finding(source, {
      code: diagnosticCodes.duplicatePolicyName,
      severity: 'error',
      message: `Another file has the name ${quoted(name)} too. Names of policies are unique.`,
      path: ['name'],
      related: same.slice(0, 8).flatMap(({ uri, source: other }) => {
        const range = other?.rangeOf(['name']);
        return uri === undefined || range === undefined ? [] : [{ uri, range, message: 'The other policy.' }];
      }),
      fixes: fixOf(`Change to ${quoted(free)}`, [replaceText(source, ['name'], free)], true),
    }),
  ];
};

function freeName(name: string, taken: ReadonlySet<string | undefined>): string {
  const base = name.replace(/-\d+$/, '');
  for (let number = 2; ; number++) {
    const end = `-${number}`;
    const free = `${base.slice(0, maxNameLength - end.length)}${end}`;
    if (free !== name && !taken.has(free)) return free;
  }
}
