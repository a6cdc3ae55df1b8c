/** TM7308: VMs whose configuration version has no change tracking. A warning: the backup of these fails, the others are backed up. */
import { diagnosticCodes } from '../diagnostic.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { byItem, leaveOut } from './leave-out.ts';
import { quotedList } from './names.ts';
import type { Rule } from './rule.ts';
import { selectionOf } from './selection.ts';
import type { Selection, Taken } from './selection.ts';

const tooOld = new WeakMap<Selection, readonly Taken[]>();

export const vmTooOld: Rule = function* (source, { inventory }) {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const selection = selectionOf(select, indexOf(inventory));
  let found = tooOld.get(selection);
  if (found === undefined) {
    found = [...selection.vms.values()].filter(({ vm }) => isTooOld(vm.configVersion));
    tooOld.set(selection, found);
  }
  for (const group of byItem(found)) {
    const [{ entry, item }] = group;
    const names = quotedList(group.map(({ vm }) => vm.name));
    const versions = [...new Set(group.map(({ vm }) => vm.configVersion))].slice(0, 3).join(', ');
    const [verb, it] = group.length === 1 ? ['has', 'it'] : ['have', 'them'];
    yield finding(source, {
      code: diagnosticCodes.vmTooOld,
      severity: 'warning',
      message: `${names} ${verb} the configuration version ${versions}. Below 6.2 Hyper-V does not track changes, and the backup fails. Shut ${it} down and upgrade ${it} with Update-VMVersion.`,
      path: ['select', entry, 'vms', item],
      fixes: leaveOut(source, group),
    });
  }
};

/** A version that cannot be read is not called old. */
function isTooOld(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(version) ?? [];
  return Number(major) < 6 || (Number(major) === 6 && Number(minor) < 2);
}
