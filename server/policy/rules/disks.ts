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

/** The disks of the selected VMs, as far as hosts have told; undefined when nothing is known of any. */
export function selectedDisks(source: PolicySource, { inventory }: RuleContext): SelectedDisks | undefined {
  const { select } = source.draft;
  if (inventory === undefined || select === undefined) return undefined;
  const selection = selectionOf(select, indexOf(inventory));
  if (selection.vms.size === 0) return undefined;
  let disks = known.get(selection);
  if (disks === undefined) known.set(selection, (disks = new SelectedDisks([...selection.vms.values()])));
  return disks;
}

/** The same, undefined unless all hosts of the selection have told: only then is it known that there is no other disk. */
export function allSelectedDisks(source: PolicySource, context: RuleContext): SelectedDisks | undefined {
  const { select } = source.draft;
  if (context.inventory === undefined || select === undefined) return undefined;
  const index = indexOf(context.inventory);
  const told = select.every(({ host }) => index.hostsOf(host).every((each) => each.known));
  return told ? selectedDisks(source, context) : undefined;
}

/** Whether a policy leaves the disk out. */
export function isExcluded(exclude: readonly string[], disk: InventoryDisk): boolean {
  return exclude.some((pattern) => matchesGlob(pattern, disk.name));
}
