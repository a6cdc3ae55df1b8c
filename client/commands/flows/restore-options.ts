/** What restoring proposes: file names, names of VMs, where to. */
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import { timeText } from '../../views/tree/texts.ts';

/** Formats that a disk can be restored to. */
export type DiskFileFormat = 'vhdx' | 'raw';

/** `sql01-os-2026-01-31-0705.vhdx`: what it is and from when, free of what some file system refuses. */
export function restoredFileName(
  point: Pick<RestorePointInfo, 'vmName' | 'createdAt'>,
  disk: string,
  format: DiskFileFormat,
): string {
  const time = timeText(point.createdAt).replace(':', '').replace(' ', '-');
  const name = `${point.vmName}-${disk}-${time}`
    // oxlint-disable-next-line no-control-regex -- Windows refuses them
    .replaceAll(/[<>:"/\\|?*\u0000-\u001F\s]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 200);
  return `${name}.${format === 'vhdx' ? 'vhdx' : 'raw'}`;
}

/** The name of the VM itself when nobody has it there, else one that says what it is. */
export function restoredVmName(name: string, taken: readonly string[]): string {
  // Hyper-V allows equal names, which helps nobody; it does not tell upper from lower case.
  const used = new Set(taken.map((other) => other.toLowerCase()));
  if (!used.has(name.toLowerCase())) return name;
  const restored = `${name}-restored`;
  if (!used.has(restored.toLowerCase())) return restored;
  let number = 2;
  while (used.has(`${restored}-${number}`.toLowerCase())) number++;
  return `${restored}-${number}`;
}

/** The host to propose: the one that the VM was backed up from, where it is still there. */
export function proposedHost(point: Pick<RestorePointInfo, 'host'>, hosts: readonly string[]): string | undefined {
  return hosts.includes(point.host) ? point.host : hosts[0];
}

/** Why `text` cannot be the name of the restored VM; Windows puts it into file names. */
export function vmNameProblem(text: string, taken: readonly string[]): string | undefined {
  const name = text.trim();
  if (name === '') return l10n.t('Enter a name.');
  if (name.length > 100) return l10n.t('At most {0} characters.', 100);
  // oxlint-disable-next-line no-control-regex -- Windows refuses them
  if (/[<>:"/\\|?*\u0000-\u001F]/.test(name)) return l10n.t('These are not allowed: {0}', '< > : " / \\ | ? *');
  if (/[. ]$/.test(text)) return l10n.t('A name must not end in a dot or a blank.');
  const used = taken.some((other) => other.toLowerCase() === name.toLowerCase());
  return used ? l10n.t('The host has a VM named {0}. Choose another name.', name) : undefined;
}
