/** Which VMs a policy takes in. */
import { matchesGlob } from '../base/glob.ts';
import type { VmState } from '../protocol/model.ts';
import type { InventoryVm, PolicyInventory } from '../protocol/policy-inventory.ts';
import type { SelectEntry } from './policy-schema.ts';

/** Whether a text of a policy stands for several names. */
export function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}

/** Whether a text of a policy is the id of a VM. */
export function isVmId(text: string): boolean {
  return /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i.test(text);
}

/** Whether an entry of `vms` or `exclude` names this VM: by name, pattern or id; case does not count. */
export function namesVm(pattern: string, vm: Pick<InventoryVm, 'id' | 'name'>): boolean {
  return matchesGlob(pattern, vm.name) || pattern.toUpperCase() === vm.id;
}

/** Whether one entry of `select` takes the VM in. A VM that it names by its id is in wherever it is. */
export function entryTakes(entry: SelectEntry, vm: Pick<InventoryVm, 'host' | 'id' | 'name'>): boolean {
  const named = entry.vms.some((pattern) =>
    pattern.toUpperCase() === vm.id ? true : matchesGlob(entry.host, vm.host) && matchesGlob(pattern, vm.name),
  );
  return named && !(entry.exclude ?? []).some((pattern) => namesVm(pattern, vm));
}

/** How much of a VM is alive, the most first: of one that two hosts have, the other is a replica or what a migration left, which are off. */
const liveliness: Readonly<Record<VmState, number>> = { running: 0, paused: 1, saved: 1, other: 1, off: 2 };

/** Whether this is the VM rather than another one of the same id, as on another host. */
export function isLivelier(vm: { readonly state: VmState }, other: { readonly state: VmState }): boolean {
  return liveliness[vm.state] < liveliness[other.state];
}

/**
 * The VMs that a selection takes in, in the order of the inventory; a VM that two entries or two hosts name is there once: where it runs, else where
 * it is first.
 */
export function selectVms(
  select: readonly SelectEntry[],
  inventory: Pick<PolicyInventory, 'vms'>,
): readonly InventoryVm[] {
  const found = new Map<string, InventoryVm>();
  for (const vm of inventory.vms) {
    const other = found.get(vm.id);
    if (other !== undefined && !isLivelier(vm, other)) continue;
    if (!select.some((entry) => entryTakes(entry, vm))) continue;
    // In the place where it is, not where the other was.
    found.delete(vm.id);
    found.set(vm.id, vm);
  }
  return [...found.values()];
}
