/** TM7304: a disk, named exactly, that no selected VM has. A warning: a disk that was to be left out is backed up. */
import { diagnosticCodes } from '../diagnostic.ts';
import { isPattern } from '../match.ts';
import { allSelectedDisks } from './disks.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';

export const unknownDisk: Rule = (source, context) => {
  const disks = allSelectedDisks(source, context);
  return (source.draft.disks?.exclude ?? []).flatMap((name, item) => {
    if (disks === undefined || isPattern(name) || disks.matching(name).length > 0) return [];
    const path = ['disks', 'exclude', item];
    const meant = disks.names.nearest(name);
    const message = `No selected VM has a disk ${quoted(name)}.`;
    return [
      finding(source, {
        code: diagnosticCodes.unknownDisk,
        severity: 'warning',
        message: meant === undefined ? message : `${message} Is ${quoted(meant)} meant?`,
        path,
        fixes: meant === undefined ? [] : fixOf(`Change to ${quoted(meant)}`, [replaceText(source, path, meant)], true),
      }),
    ];
  });
};
