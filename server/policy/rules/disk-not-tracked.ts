/** TM7309: disks that Hyper-V cannot freeze or follow: pass-through and shared ones, and those in files of the old format. */
import type { InventoryDisk } from '../../protocol/policy-inventory.ts';
import { diagnosticCodes } from '../diagnostic.ts';
import type { Fix } from '../diagnostic.ts';
import { writtenText } from '../schema/write.ts';
import type { PolicySource } from '../source.ts';
import { isExcluded } from './disks.ts';
import { addItems, addKeyAfter, fixOf } from './edits.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { byItem } from './leave-out.ts';
import { quoted, quotedList } from './names.ts';
import type { Rule } from './rule.ts';
import { selectionOf } from './selection.ts';
import type { Selection, Taken } from './selection.ts';

type Problem = 'passthrough' | 'shared' | 'untracked';

interface Untracked {
  readonly taken: Taken;
  readonly disk: InventoryDisk;
  readonly problem: Problem;
}

const untracked = new WeakMap<Selection, readonly Untracked[]>();

const messages: Readonly<Record<Problem, (disks: string, one: boolean) => string>> = {
  passthrough: (disks, one) =>
    `The pass-through ${disks} ${one ? 'is' : 'are'} not backed up: a host cannot read ${one ? 'it' : 'them'}.`,
  shared: (disks, one) => `The shared ${disks} ${one ? 'is' : 'are'} not backed up: other VMs write to a VHD set too.`,
  untracked: (disks) => `Changes of the ${disks} are not tracked: each backup reads everything.`,
};

export const diskNotTracked: Rule = function* (source, { inventory }) {
  const { select, disks } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const selection = selectionOf(select, indexOf(inventory));
  let found = untracked.get(selection);
  if (found === undefined) untracked.set(selection, (found = find(selection)));
  const exclude = disks?.exclude ?? [];
  const relevant = found.filter(({ disk }) => !isExcluded(exclude, disk));
  for (const problem of problems) {
    const names = namesByVm(relevant, problem);
    for (const group of byItem(names.keys())) {
      const [{ entry, item }] = group;
      const ofGroup = [...new Set(group.flatMap((taken) => names.get(taken) ?? []))];
      const vms = quotedList(group.map(({ vm }) => vm.name));
      yield finding(source, {
        code: diagnosticCodes.diskNotTracked,
        severity: problem === 'untracked' ? 'information' : 'warning',
        message: messages[problem](
          `${ofGroup.length === 1 ? 'disk' : 'disks'} ${quotedList(ofGroup)} of ${vms}`,
          ofGroup.length === 1,
        ),
        path: ['select', entry, 'vms', item],
        fixes: problem === 'untracked' ? [] : excludeDisks(source, ofGroup),
      });
    }
  }
};

const problems: readonly Problem[] = ['passthrough', 'shared', 'untracked'];

function namesByVm(untrackedDisks: readonly Untracked[], problem: Problem): ReadonlyMap<Taken, readonly string[]> {
  const names = new Map<Taken, string[]>();
  for (const { taken, disk, problem: own } of untrackedDisks) {
    if (own !== problem) continue;
    const ofVm = names.get(taken);
    if (ofVm === undefined) names.set(taken, [disk.name]);
    else ofVm.push(disk.name);
  }
  return names;
}

function find({ vms }: Selection): readonly Untracked[] {
  return [...vms.values()].flatMap((taken) =>
    taken.vm.disks.flatMap((disk) => {
      const problem = problemOf(disk);
      return problem === undefined ? [] : [{ taken, disk, problem }];
    }),
  );
}

function problemOf({ format, trackable }: InventoryDisk): Problem | undefined {
  if (format === 'passthrough') return 'passthrough';
  if (format === 'vhdset') return 'shared';
  return trackable ? undefined : 'untracked';
}

/** More names than these are not written into a file. */
const maxNames = 20;

/** Says on purpose that the disks are left out. */
function excludeDisks(source: PolicySource, names: readonly string[]): readonly Fix[] {
  if (names.length > maxNames) return [];
  const list = names.map(writtenText).join(', ');
  const { disks } = source.draft;
  let edit;
  if (disks?.exclude !== undefined) edit = addItems(source, ['disks', 'exclude'], names);
  else if (disks === undefined && source.nodeAt(['disks']) === undefined) {
    const lines = ['disks:', `  exclude: [${list}]`];
    edit = addKeyAfter(source, ['select'], { lines, flow: `disks: { exclude: [${list}] }` });
  }
  const title = `Leave out the ${names.length === 1 ? `disk ${quoted(names[0] ?? '')}` : `disks ${quotedList(names)}`}`;
  return fixOf(title, [edit]);
}
