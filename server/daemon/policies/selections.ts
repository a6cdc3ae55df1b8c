/** How many VMs policies take in, worked out anew only when VMs came, went, moved or were renamed. */
import { selectVms } from '../../policy/index.ts';
import type { Policy } from '../../policy/index.ts';
import type { InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';

/** Matching hundreds of policies with thousands of VMs takes most of a second, and lists of policies are asked for after each change. */
export class Selections {
  #vms: readonly InventoryVm[] = [];
  #counts = new WeakMap<Policy, number>();

  /** VMs that the policy takes in. */
  count(policy: Policy, inventory: Pick<PolicyInventory, 'vms'>): number {
    if (!sameVms(this.#vms, inventory.vms)) this.#counts = new WeakMap();
    this.#vms = inventory.vms;
    const known = this.#counts.get(policy);
    if (known !== undefined) return known;
    const { length } = selectVms(policy.select, inventory);
    this.#counts.set(policy, length);
    return length;
  }
}

/** Whether a selection finds the same in both. */
function sameVms(a: readonly InventoryVm[], b: readonly InventoryVm[]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every((vm, index) => {
      const other = b[index];
      return vm.id === other?.id && vm.name === other.name && vm.host === other.host;
    })
  );
}
