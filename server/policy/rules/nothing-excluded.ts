/** TM7311: an item of `exclude` that leaves out nothing. Information: it may stand there for VMs and disks to come. */
import { diagnosticCodes } from '../diagnostic.ts';
import type { Fix } from '../diagnostic.ts';
import { isPattern, isVmId } from '../match.ts';
import type { PolicyPath } from '../schema/schema.ts';
import type { PolicySource } from '../source.ts';
import { allSelectedDisks } from './disks.ts';
import { fixOf, removeItemOrList, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';
import { selectionOf } from './selection.ts';

export const nothingExcluded: Rule = function* (source, { inventory }) {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const index = indexOf(inventory);
  const { entries } = selectionOf(select, index);
  for (const [at, { host, exclude = [] }] of select.entries()) {
    const selected = entries[at];
    // An entry that takes in nothing is a finding of its own.
    if (selected === undefined || selected.named.every((count) => count === 0)) continue;
    if (index.hostsOf(host).some(({ known }) => !known)) continue;
    for (const [item, pattern] of exclude.entries()) {
      if (selected.excluded[item] !== 0) continue;
      const path = ['select', at, 'exclude', item];
      const isName = !isPattern(pattern) && !isVmId(pattern);
      const meant = isName ? index.vmNamesOn(host).nearest(pattern) : undefined;
      const message = `${quoted(pattern)} leaves out no VM of this entry.`;
      const fixes =
        meant === undefined ? [] : fixOf(`Change to ${quoted(meant)}`, [replaceText(source, path, meant)], true);
      yield finding(source, {
        code: diagnosticCodes.nothingExcluded,
        severity: 'information',
        message: meant === undefined ? message : `${message} Is ${quoted(meant)} meant?`,
        path,
        fixes: [...fixes, ...removal(source, path, pattern)],
      });
    }
  }
};

/** The same of patterns in `disks.exclude`; a name that no disk has is TM7304. */
export const noDiskExcluded: Rule = (source, context) => {
  const disks = allSelectedDisks(source, context);
  return (source.draft.disks?.exclude ?? []).flatMap((pattern, item) => {
    if (disks === undefined || !isPattern(pattern) || disks.matching(pattern).length > 0) return [];
    const path = ['disks', 'exclude', item];
    return [
      finding(source, {
        code: diagnosticCodes.nothingExcluded,
        severity: 'information',
        message: `No disk of the selected VMs has a name like ${quoted(pattern)}.`,
        path,
        fixes: removal(source, path, pattern),
      }),
    ];
  });
};

function removal(source: PolicySource, path: PolicyPath, pattern: string): readonly Fix[] {
  return fixOf(`Remove ${quoted(pattern)}`, [removeItemOrList(source, path.slice(0, -1), Number(path.at(-1)))]);
}
