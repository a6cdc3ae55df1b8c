/** TM7301: a host that the daemon does not have. A warning: the other entries are carried out, and VMs named by id are found elsewhere. */
import { diagnosticCodes } from '../diagnostic.ts';
import { isPattern } from '../match.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';

export const unknownHost: Rule = (source, { inventory }) => {
  if (inventory === undefined) return [];
  const index = indexOf(inventory);
  return (source.draft.select ?? []).flatMap(({ host }, entry) => {
    if (index.hostsOf(host).length > 0) return [];
    const path = ['select', entry, 'host'];
    const meant = isPattern(host) ? undefined : index.hostNames.nearest(host);
    const message = isPattern(host) ? `No host has a name like ${quoted(host)}.` : `There is no host ${quoted(host)}.`;
    return [
      finding(source, {
        code: diagnosticCodes.unknownHost,
        severity: 'warning',
        message: meant === undefined ? message : `${message} Is ${quoted(meant)} meant?`,
        path,
        fixes: meant === undefined ? [] : fixOf(`Change to ${quoted(meant)}`, [replaceText(source, path, meant)], true),
      }),
    ];
  });
};
