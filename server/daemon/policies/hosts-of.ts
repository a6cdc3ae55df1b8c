/** Which hosts a selection is about. */
import { matchesGlob } from '../../base/glob.ts';
import type { SelectEntry } from '../../policy/index.ts';
import type { InventoryHost, PolicyInventory } from '../../protocol/policy-inventory.ts';

/** The known hosts that an entry of `select` names, by name or pattern. */
export function hostsOf(
  { host: pattern }: Pick<SelectEntry, 'host'>,
  { hosts }: Pick<PolicyInventory, 'hosts'>,
): readonly InventoryHost[] {
  return hosts.filter(({ name }) => matchesGlob(pattern, name));
}
