/** What the entries of `select` take in, also while other parts of the file are wrong. */
import { matchesGlob } from '../base/glob.ts';
import { selectVms } from '../policy/index.ts';
import type { PolicySource, SelectEntry } from '../policy/index.ts';
import { namesVm } from '../policy/match.ts';
import type { InventoryHost, InventoryVm, PolicyInventory } from '../protocol/policy-inventory.ts';
import type { PolicyPath } from './syntax/path.ts';

/** An entry of `select` as it is written; undefined when there is none. */
export function entryAt(source: PolicySource, index: number): SelectEntry | undefined {
  const valid = source.draft.select?.[index];
  if (valid !== undefined) return valid;
  const host = source.writtenAt(['select', index, 'host']);
  if (host === undefined) return undefined;
  return {
    host,
    vms: writtenList(source, ['select', index, 'vms']),
    exclude: writtenList(source, ['select', index, 'exclude']),
  };
}

/** VMs that one text of `vms` takes in, or one of `exclude` leaves out. */
export function vmsOf(
  source: PolicySource,
  path: PolicyPath,
  inventory: PolicyInventory,
): readonly InventoryVm[] | undefined {
  const [, index, list, position] = path;
  if (path[0] !== 'select' || typeof index !== 'number' || typeof position !== 'number') return undefined;
  const text = source.writtenAt(path);
  const entry = entryAt(source, index);
  if (text === undefined || entry === undefined) return undefined;
  if (list === 'vms') return selectVms([{ host: entry.host, vms: [text] }], inventory);
  if (list !== 'exclude') return undefined;
  return selectVms([{ host: entry.host, vms: entry.vms }], inventory).filter((vm) => namesVm(text, vm));
}

/** Hosts that a text of `host` names. */
export function hostsOf(text: string, inventory: PolicyInventory): readonly InventoryHost[] {
  return inventory.hosts.filter(({ name }) => matchesGlob(text, name));
}

/** The single values of a list, as they are written. */
function writtenList(source: PolicySource, path: PolicyPath): readonly string[] {
  const found: string[] = [];
  for (let index = 0; index < maxEntries; index++) {
    const text = source.writtenAt([...path, index]);
    if (text === undefined) break;
    found.push(text);
  }
  return found;
}

/** As many as the schema takes. */
const maxEntries = 1024;
