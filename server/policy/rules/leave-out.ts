/** Fixes that leave VMs out of a policy. */
import type { Fix } from '../diagnostic.ts';
import { isPattern } from '../match.ts';
import { writtenText } from '../schema/write.ts';
import type { PolicySource } from '../source.ts';
import { addItems, addKeyAfter, fixOf, removeItem } from './edits.ts';
import { quotedList } from './names.ts';
import type { Taken } from './selection.ts';

/** More names than these are not written into a file. */
const maxNames = 20;

/** Leaves VMs out that the same item of `vms` takes in: by name, in the entry's `exclude`. */
export function leaveOut(source: PolicySource, taken: readonly Taken[]): readonly Fix[] {
  const [first] = taken;
  const names = [...new Set(taken.map(({ vm }) => vm.name))];
  if (first === undefined || names.length > maxNames) return [];
  const entryPath = ['select', first.entry];
  const entry = source.draft.select?.[first.entry];
  const title = `Leave out ${quotedList(names)}`;
  if (!isPattern(entry?.vms[first.item] ?? ''))
    return fixOf(title, [removeItem(source, [...entryPath, 'vms'], first.item)]);
  if (entry?.exclude !== undefined) return fixOf(title, [addItems(source, [...entryPath, 'exclude'], names)]);
  const key = `exclude: [${names.map(writtenText).join(', ')}]`;
  return fixOf(title, [addKeyAfter(source, [...entryPath, 'vms'], { lines: [key], flow: key })]);
}

/** VMs by the item of `vms` that takes them in, so that each item has one finding. */
export function byItem(taken: Iterable<Taken>): readonly (readonly [Taken, ...Taken[]])[] {
  const groups = new Map<string, [Taken, ...Taken[]]>();
  for (const each of taken) {
    const key = `${each.entry}/${each.item}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}
