/** TM7303: a pattern that no VM matches, or an entry whose `exclude` leaves out all that `vms` takes in. */
import { diagnosticCodes } from '../diagnostic.ts';
import { isPattern } from '../match.ts';
import { fixOf, removeItem } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';
import { selectionOf } from './selection.ts';

export const nothingSelected: Rule = function* (source, { inventory }) {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const index = indexOf(inventory);
  const { entries } = selectionOf(select, index);
  for (const [at, { host, vms }] of select.entries()) {
    const selected = entries[at];
    const hosts = index.hostsOf(host);
    if (selected === undefined || hosts.length === 0 || hosts.some(({ known }) => !known)) continue;
    const where = isPattern(host) ? `the hosts like ${quoted(host)}` : host;
    for (const [item, pattern] of vms.entries()) {
      if (!isPattern(pattern) || selected.named[item] !== 0) continue;
      yield finding(source, {
        code: diagnosticCodes.nothingSelected,
        severity: 'warning',
        message: `No VM on ${where} has a name like ${quoted(pattern)}.`,
        path: ['select', at, 'vms', item],
        fixes: fixOf(`Remove ${quoted(pattern)}`, [removeItem(source, ['select', at, 'vms'], item)]),
      });
    }
    if (selected.taken > 0 || selected.named.every((count) => count === 0)) continue;
    yield finding(source, {
      code: diagnosticCodes.nothingSelected,
      severity: 'warning',
      message: 'This leaves out every VM that the entry takes in.',
      path: ['select', at, 'exclude'],
    });
  }
};
