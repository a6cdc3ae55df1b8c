/** Hovers over what the inventory knows: hosts, VMs, disks, repositories, and patterns for them. */
import { formatBytes } from '../../base/format.ts';
import { matchesGlob } from '../../base/glob.ts';
import { isPattern, selectVms } from '../../policy/index.ts';
import type { PolicySource } from '../../policy/index.ts';
import type { InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';
import { policyCommands } from '../../protocol/policy-language.ts';
import { hostsOf, vmsOf } from '../selection.ts';
import type { PolicyPath } from '../syntax/path.ts';
import { hostText, vmLine, vmText } from '../words/inventory.ts';
import { escaped } from '../words/markdown.ts';
import { countText } from '../words/text.ts';

const maxShown = 10;

/** A VM with all that is known of it, or what a pattern names. */
export function vmHover(source: PolicySource, path: PolicyPath, inventory: PolicyInventory): string | undefined {
  const vms = vmsOf(source, path, inventory);
  if (vms === undefined) return undefined;
  const [only] = vms;
  const text = source.writtenAt(path) ?? '';
  if (only === undefined) return `No VM is named by **${escaped(text)}** here.`;
  if (!isPattern(text) && vms.length === 1) return `${vmText(only)}\n\n${revealLink(only, 'Show in the Hosts view')}`;
  const excluded = path[2] === 'exclude' ? ' left out' : '';
  return shortList(
    `**${escaped(text)}**: ${countText(vms.length, 'VM')}${excluded}`,
    vms.map((vm) => `${revealLink(vm, vm.name)}: ${escaped(vmLine(vm))}`),
  );
}

export function hostHover(text: string, inventory: PolicyInventory): string {
  const hosts = hostsOf(text, inventory);
  if (hosts.length === 0) return `No host is named **${escaped(text)}**.`;
  const lines = hosts.map((host) => {
    const build = host.build === undefined ? '' : `, Windows build ${host.build}`;
    return `**${escaped(host.name)}**: ${escaped(hostText(host, inventory))}${build}`;
  });
  return hosts.length === 1
    ? (lines[0] ?? '')
    : shortList(`**${escaped(text)}**: ${countText(hosts.length, 'host')}`, lines);
}

/** In which VMs of the policy a disk is; in all VMs while the selection is not valid. */
export function diskHover(source: PolicySource, text: string, inventory: PolicyInventory): string {
  const vms = source.draft.select === undefined ? inventory.vms : selectVms(source.draft.select, inventory);
  const found = vms.flatMap((vm) =>
    vm.disks.filter(({ name }) => matchesGlob(text, name)).map((disk) => ({ vm, disk })),
  );
  if (found.length === 0) return `No disk of the policy’s VMs is named **${escaped(text)}**.`;
  return shortList(
    `**${escaped(text)}**: ${countText(found.length, 'disk')}`,
    found.map(({ vm, disk }) => `${escaped(disk.name)} of ${escaped(vm.name)}: ${formatBytes(disk.sizeBytes)}`),
  );
}

export function repositoryHover(name: string, { repositories }: PolicyInventory): string {
  const found = repositories.find((repository) => repository.name === name);
  return found === undefined
    ? `No repository is named **${escaped(name)}**.`
    : `**${escaped(name)}**: ${escaped(found.location)}`;
}

function shortList(head: string, lines: readonly string[]): string {
  const shown = lines.slice(0, maxShown).map((line) => `- ${line}`);
  const more = lines.length > maxShown ? [`and ${lines.length - maxShown} more`] : [];
  return [head, shown.join('\n'), ...more].join('\n\n');
}

/** A link that reveals a VM. Brackets in names must not end it early. */
function revealLink({ host, id, name }: InventoryVm, label: string): string {
  const target = encodeURIComponent(JSON.stringify([{ host, vmId: id, vmName: name }]));
  const escapedTarget = target.replace(/[()'!*~]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return `[${escaped(label)}](command:${policyCommands.revealVm}?${escapedTarget})`;
}
