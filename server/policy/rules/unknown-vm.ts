/** TM7302: a VM, named exactly, that none of the entry's hosts has. A warning: the others are backed up. */
import { diagnosticCodes } from '../diagnostic.ts';
import type { Fix } from '../diagnostic.ts';
import { isPattern, isVmId } from '../match.ts';
import type { SelectEntry } from '../policy-schema.ts';
import type { PolicySource } from '../source.ts';
import { fixOf, replaceText } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import type { InventoryIndex } from './inventory-index.ts';
import { quoted } from './names.ts';
import type { Rule } from './rule.ts';
import { selectionOf } from './selection.ts';

export const unknownVm: Rule = function* (source, { inventory }) {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const index = indexOf(inventory);
  const { entries } = selectionOf(select, index);
  for (const [at, entry] of select.entries()) {
    for (const [item, name] of entry.vms.entries()) {
      if (isPattern(name) || entries[at]?.named[item] !== 0 || !canTell(name, entry, index)) continue;
      yield finding(source, {
        code: diagnosticCodes.unknownVm,
        severity: 'warning',
        path: ['select', at, 'vms', item],
        ...explain(source, { index, entry, at, item, name }),
      });
    }
  }
};

/** Whether all hosts that could have the VM have told their VMs. An unknown host is a finding of its own. */
function canTell(name: string, { host }: SelectEntry, index: InventoryIndex): boolean {
  if (isVmId(name)) return index.complete;
  const hosts = index.hostsOf(host);
  return hosts.length > 0 && hosts.every(({ known }) => known);
}

interface Place {
  readonly index: InventoryIndex;
  readonly entry: SelectEntry;
  readonly at: number;
  readonly item: number;
  readonly name: string;
}

function explain(
  source: PolicySource,
  { index, entry, at, item, name }: Place,
): { readonly message: string; readonly fixes: readonly Fix[] } {
  if (isVmId(name)) return { message: `No host has a VM with the id ${name.toUpperCase()}.`, fixes: [] };
  const message = `There is no VM ${quoted(name)} on ${isPattern(entry.host) ? `a host like ${quoted(entry.host)}` : entry.host}.`;
  const [elsewhere] = index.vmsNamed(name);
  if (elsewhere !== undefined) {
    const { host } = elsewhere.vm;
    // The host of an entry is that of its other VMs too.
    const alone = entry.vms.length === 1;
    return {
      message: `${message} It is on ${host}.`,
      fixes: alone
        ? fixOf(`Change the host to ${quoted(host)}`, [replaceText(source, ['select', at, 'host'], host)], true)
        : [],
    };
  }
  const meant = index.vmNamesOn(entry.host).nearest(name);
  if (meant === undefined) return { message, fixes: [] };
  const edit = replaceText(source, ['select', at, 'vms', item], meant);
  return { message: `${message} Is ${quoted(meant)} meant?`, fixes: fixOf(`Change to ${quoted(meant)}`, [edit], true) };
}
