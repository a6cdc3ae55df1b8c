/** TM7305: a repository that the daemon does not have. An error: nothing could be backed up. */
import { diagnosticCodes } from '../diagnostic.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';

export const unknownRepository: Rule = (source, { inventory }) => {
  const { repository } = source.draft;
  if (repository === undefined || inventory === undefined) return [];
  const index = indexOf(inventory);
  if (index.hasRepository(repository)) return [];
  const meant = index.repositoryNames.nearest(repository);
  const path = ['repository'];
  return [
    finding(source, {
      code: diagnosticCodes.unknownRepository,
      severity: 'error',
      message: `There is no repository ${quoted(repository)}.${meant === undefined ? '' : ` Is ${quoted(meant)} meant?`}`,
      path,
      fixes: meant === undefined ? [] : fixOf(`Change to ${quoted(meant)}`, [replaceText(source, path, meant)], true),
    }),
  ];
};
