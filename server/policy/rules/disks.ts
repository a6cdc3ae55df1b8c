/** The disks of the VMs that a policy takes in, by name. */
import { matchesGlob } from '../../base/glob.ts';
import type { InventoryDisk } from '../../protocol/policy-inventory.ts';
import { NameList } from '../nearest.ts';
import type { PolicySource } from '../source.ts';
import { indexOf } from './inventory-index.ts';
import type { RuleContext } from './rule.ts';
import { selectionOf } from './selection.ts';
import type { Selection, Taken } from './selection.ts';

/** A disk and the VM that it is of. */
export interface DiskOf {
  readonly taken: Taken;
  readonly disk: InventoryDisk;
}

/** The disks of a selection. */
export class SelectedDisks {
  readonly names: NameList;
  /** By name, in upper case: VMs made alike have disks of the same names, and few names are compared instead of many disks. */
  readonly #byName: ReadonlyMap<string, readonly DiskOf[]>;

  constructor(vms: readonly Taken[]) {
    const disks = vms.flatMap((taken) => taken.vm.disks.map((disk) => ({ taken, disk })));
    this.#byName = Map.groupBy(disks, ({ disk }) => disk.name.toUpperCase());
    this.names = new NameList(disks.map(({ disk }) => disk.name));
  }

  /** The disks that a name or pattern means. Case does not count. */
  matching(pattern: string): readonly DiskOf[] {
    return [...this.#byName].flatMap(([name, disks]) => (matchesGlob(pattern, name) ? disks : []));
  }
}

const known = new WeakMap<Selection, SelectedDisks>();

/** The disks that `disks.exclude` can mean; undefined when they are not all known, or no VM is in. */
export function disksOf(source: PolicySource, { inventory }: RuleContext): SelectedDisks | undefined {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return undefined;
  const index = indexOf(inventory);
  const selection = selectionOf(select, index);
  const told = select.every(({ host }) => index.hostsOf(host).every((each) => each.known));
  if (!told || selection.vms.size === 0) return undefined;
  let disks = known.get(selection);
  if (disks === undefined) known.set(selection, (disks = new SelectedDisks([...selection.vms.values()])));
  return disks;
}

/** Whether a policy leaves the disk out. */
export function isExcluded(exclude: readonly string[], disk: InventoryDisk): boolean {
  return exclude.some((pattern) => matchesGlob(pattern, disk.name));
}
