/** Completion of names: hosts, VMs, disks, repositories and time zones. */
import { CompletionItemKind } from 'vscode-languageserver';

import { formatBytes } from '../../base/format.ts';
import { matchesGlob } from '../../base/glob.ts';
import { selectVms } from '../../policy/index.ts';
import type { SelectEntry } from '../../policy/index.ts';
import type { NameKind } from '../../policy/schema/schema.ts';
import { writtenText } from '../../policy/schema/write.ts';
import type { InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';
import type { LanguageContext } from '../context.ts';
import type { Cursor } from '../syntax/cursor.ts';
import type { PolicyPath } from '../syntax/path.ts';
import { hostText, vmLine, vmText } from '../words/inventory.ts';
import type { ValueOffer } from './values.ts';

/** The names of a kind that fit at a place; none when the daemon cannot be asked. */
export function namedValues(
  path: PolicyPath,
  kind: NameKind | undefined,
  cursor: Cursor,
  { inventory }: LanguageContext,
): readonly ValueOffer[] {
  if (kind === 'timezone') return timezones();
  if (kind === undefined || inventory === undefined) return [];
  switch (kind) {
    case 'host':
      return hosts(inventory);
    case 'vm':
      return vms(path, cursor, inventory);
    case 'disk':
      return disks(cursor, inventory);
    case 'repository':
      return inventory.repositories.map(({ name, location }) => value(name, { detail: location }));
    case 'cron':
      break;
  }
  return [];
}

function value(label: string, more: Partial<ValueOffer> = {}): ValueOffer {
  return { label, kind: CompletionItemKind.Value, text: writtenText(label), ...more };
}

function hosts(inventory: PolicyInventory): readonly ValueOffer[] {
  return [
    ...inventory.hosts.map((host) => value(host.name, { detail: hostText(host, inventory) })),
    value('*', { detail: 'every host' }),
  ];
}

function vms(path: PolicyPath, { outline }: Cursor, inventory: PolicyInventory): readonly ValueOffer[] {
  const host = outline.valueAt([...path.slice(0, 2), 'host']);
  const names = new Set<string>();
  const found: ValueOffer[] = [];
  for (const vm of inventory.vms) {
    if ((host !== undefined && !matchesGlob(host, vm.host)) || names.has(vm.name)) continue;
    names.add(vm.name);
    found.push(value(vm.name, { detail: vmLine(vm), documentation: () => vmText(vm) }));
  }
  return [...found, value('*', { detail: 'every VM' })];
}

function disks(cursor: Cursor, inventory: PolicyInventory): readonly ValueOffer[] {
  const found = new Map<string, { readonly bytes: number; vms: number }>();
  for (const vm of selectedVms(cursor, inventory)) {
    for (const disk of vm.disks) {
      const known = found.get(disk.name);
      if (known === undefined) found.set(disk.name, { bytes: disk.sizeBytes, vms: 1 });
      else known.vms += 1;
    }
  }
  return [...found].map(([name, disk]) =>
    value(name, { detail: disk.vms === 1 ? formatBytes(disk.bytes) : `of ${disk.vms} VMs` }),
  );
}

/** What `select` takes in, as far as it is written; every VM when that is nothing. */
function selectedVms({ outline }: Cursor, inventory: PolicyInventory): readonly InventoryVm[] {
  const entries: SelectEntry[] = [];
  for (let index = 0; index < outline.lengthOf(['select']); index++) {
    const host = outline.valueAt(['select', index, 'host']);
    const names = outline.entriesOf(['select', index, 'vms']);
    const exclude = outline.entriesOf(['select', index, 'exclude']);
    if (host !== undefined && names.length > 0) entries.push({ host, vms: names, exclude });
  }
  const selected = selectVms(entries, inventory);
  return selected.length === 0 ? inventory.vms : selected;
}

let zones: readonly ValueOffer[] | undefined;

/** The zones that `Intl` knows; that of this machine first. */
function timezones(): readonly ValueOffer[] {
  if (zones !== undefined) return zones;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const others = Intl.supportedValuesOf('timeZone').filter((zone) => zone !== own && zone !== 'UTC');
  const first = own === 'UTC' ? [] : [value(own, { detail: 'of this machine', preselect: true })];
  zones = [...first, value('UTC', { detail: 'without daylight saving' }), ...others.map((zone) => value(zone))];
  return zones;
}
