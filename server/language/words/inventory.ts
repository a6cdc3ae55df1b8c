/** Hosts and VMs in words. */
import { formatBytes } from '../../base/format.ts';
import type { InventoryHost, InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';
import { escaped } from './markdown.ts';
import { countText } from './text.ts';

/** `running · 120 GiB · hv01`. */
export function vmLine(vm: InventoryVm): string {
  const bytes = vm.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  return [vm.state, formatBytes(bytes), vm.host].join(' · ');
}

/** Markdown: state, size, disks, host, last backup, and why changes cannot be tracked. */
export function vmText(vm: InventoryVm): string {
  const disks = vm.disks.map(({ name, sizeBytes, trackable }) => {
    const note = trackable ? '' : ', changes cannot be tracked';
    return `- ${escaped(name)}: ${formatBytes(sizeBytes)}${note}`;
  });
  return [
    `**${escaped(vm.name)}** ${escaped(vmLine(vm))}`,
    ...(disks.length === 0 ? [] : [disks.slice(0, 10).join('\n')]),
    ...(disks.length > 10 ? [`and ${disks.length - 10} more disks`] : []),
    vm.lastBackupAt === undefined ? 'Never backed up' : `Last backup: ${utcText(vm.lastBackupAt)}`,
    ...vm.rctBlockers.map((reason) => `Cannot be backed up: ${escaped(reason)}`),
  ].join('\n\n');
}

/** `12 VMs`, or why they are not known. */
export function hostText(host: InventoryHost, { vms }: PolicyInventory): string {
  const count = countText(vms.filter((vm) => vm.host === host.name).length, 'VM');
  if (!host.known) return 'not reached yet';
  return host.unreachableSince === undefined ? count : `${count} · does not answer`;
}

function utcText(timestamp: string): string {
  return `${timestamp.slice(0, 16).replace('T', ' ')} UTC`;
}
