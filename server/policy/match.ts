/** Which VMs a policy takes in. */
import { matchesGlob } from '../base/glob.ts';
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

/** The VMs that a selection takes in, in the order of the inventory; a VM that two entries or two hosts name is there once. */
export function selectVms(
  select: readonly SelectEntry[],
  inventory: Pick<PolicyInventory, 'vms'>,
): readonly InventoryVm[] {
  const found = new Map<string, InventoryVm>();
  for (const vm of inventory.vms) {
    if (!found.has(vm.id) && select.some((entry) => entryTakes(entry, vm))) found.set(vm.id, vm);
  }
  return [...found.values()];
}
