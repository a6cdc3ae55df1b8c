/** The lines and tooltips of a VM, its disks, and the groups below it. */
import { formatBytes } from '../../../server/base/format.ts';
import type { VmEntry } from '../../../server/protocol/daemon.ts';
import type { DiskInfo, VmInfo, VmState } from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import { blocks, factTable, heading, list, table } from '../tree/markdown.ts';
import { colors, context, joined } from '../tree/row.ts';
import type { Icon, Row } from '../tree/row.ts';
import { ageText, disksText, millis, timeText } from '../tree/texts.ts';
import type { HostsData, VmNode } from './hosts-nodes.ts';

type VmRowData = Pick<HostsData, 'now' | 'overdueAfterMs' | 'isBusy' | 'isSimulated' | 'vms'>;

/** The line of a VM; `entry` is absent when it went away a moment ago. */
export function vmRow({ host, vmId, vmName }: VmNode, entry: VmEntry | undefined, data: VmRowData): Row {
  if (entry === undefined) return { label: vmName, context: context('vm', 'gone'), expand: 'never' };
  const { vm } = entry;
  const busy = data.isBusy(host, vmId, vmName);
  const backup = busy ? l10n.t('backing up') : backupText(entry, data.now);
  const trackable = vm.rctBlockers.length === 0;
  const late = isOverdue(entry, data);
  const parts = [
    vm.state === 'running' ? '' : vmStateText(vm.state),
    backup,
    trackable ? '' : l10n.t('cannot be backed up'),
    late && !busy ? l10n.t('overdue') : '',
  ];
  const spoken = [l10n.t('Virtual machine {0}', vmName), vmStateText(vm.state), ...parts.slice(1)];
  return {
    label: vmName,
    description: joined(...parts),
    icon: busy ? { name: 'sync~spin' } : icon(vm.state, late),
    context: context(
      'vm',
      vm.state,
      trackable ? 'rct' : 'norct',
      entry.lastRestorePoint !== undefined && 'protected',
      data.isSimulated(host) && 'simulated',
      busy && 'busy',
      data.vms(host).stale && 'stale',
    ),
    accessibility: spoken.filter((text) => text !== '').join(', '),
    expand: 'collapsed',
  };
}

const stateIcons: Readonly<Record<VmState, string>> = {
  running: 'vm-running',
  off: 'vm-outline',
  saved: 'vm-outline',
  paused: 'vm',
  other: 'vm',
};

function icon(state: VmState, late: boolean): Icon {
  return late ? { name: stateIcons[state], color: colors.warning } : { name: stateIcons[state] };
}

export function vmStateText(state: VmState): string {
  return stateTexts[state]();
}

const stateTexts: Readonly<Record<VmState, () => string>> = {
  running: () => l10n.t('running'),
  off: () => l10n.t('off'),
  saved: () => l10n.t('saved'),
  paused: () => l10n.t('paused'),
  other: () => l10n.t('changing state'),
};

function backupText({ lastRestorePoint: last }: VmEntry, now: number): string {
  return last === undefined ? l10n.t('never backed up') : l10n.t('last backup {0}', ageText(last.createdAt, now));
}

function isOverdue({ lastRestorePoint: last }: VmEntry, { now, overdueAfterMs }: VmRowData): boolean {
  return overdueAfterMs > 0 && last !== undefined && now - millis(last.createdAt) > overdueAfterMs;
}

export function vmTooltip(entry: VmEntry, { now }: Pick<HostsData, 'now'>): string {
  const { vm, backups, lastRestorePoint: last } = entry;
  const blocked = vm.rctBlockers.length > 0;
  return blocks(
    heading(vm.name),
    factTable([
      [l10n.t('State'), vmStateText(vm.state)],
      [l10n.t('Host'), entry.host],
      [l10n.t('Generation'), String(vm.generation)],
      [l10n.t('Configuration version'), vm.configVersion],
      [l10n.t('Disks'), joined(disksText(vm.disks.length), formatBytes(sizeOf(vm)))],
      [l10n.t('Checkpoints'), vm.checkpointCount === 0 ? undefined : String(vm.checkpointCount)],
      [l10n.t('Last backup'), last === undefined ? l10n.t('never') : lastText(last, now)],
      [l10n.t('Restore points'), backups?.restorePoints.toLocaleString()],
      [l10n.t('Oldest'), backups === undefined ? undefined : timeText(backups.oldestAt)],
      [l10n.t('Chain'), chainText(entry, now)],
      [l10n.t('Backup'), blocked ? l10n.t('not possible') : l10n.t('possible')],
      [l10n.t('Id'), vm.id],
    ]),
    blocked ? blocks(heading(l10n.t('Why it cannot be backed up')), list(vm.rctBlockers)) : undefined,
    diskTable(vm.disks),
  );
}

function lastText(last: NonNullable<VmEntry['lastRestorePoint']>, now: number): string {
  return joined(timeText(last.createdAt), ageText(last.createdAt, now), last.repository);
}

/** The newest full and what came after it. */
function chainText({ backups }: VmEntry, now: number): string | undefined {
  if (backups === undefined) return undefined;
  const { lastFull, incrementalsSinceFull: count } = backups;
  if (lastFull === undefined) return l10n.t('{0} incremental', count);
  return l10n.t('full {0}, then {1} incremental', ageText(lastFull.createdAt, now), count);
}

function diskTable(disks: readonly DiskInfo[]): string {
  if (disks.length === 0) return '';
  const head = [l10n.t('Disk'), l10n.t('Size'), l10n.t('File'), l10n.t('Format'), l10n.t('Trackable')];
  const rows = disks.map((disk) => [
    disk.name,
    formatBytes(disk.sizeBytes),
    formatBytes(disk.fileBytes),
    disk.format,
    disk.trackable ? l10n.t('yes') : l10n.t('no'),
  ]);
  return table(head, rows);
}

const sizeOf = ({ disks }: VmInfo): number => disks.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);

/** The line of the group of a VM's disks. */
export function disksRow(entry: VmEntry | undefined): Row {
  const disks = entry?.vm.disks ?? [];
  return {
    label: l10n.t('Disks'),
    description: entry === undefined ? undefined : joined(String(disks.length), formatBytes(sizeOf(entry.vm))),
    icon: { name: 'folder-library' },
    context: context('disks'),
    expand: disks.length === 0 ? 'never' : 'collapsed',
  };
}

/** The line of a disk; `disk` is absent when it went away a moment ago. */
export function diskRow(disk: DiskInfo | undefined): Row {
  if (disk === undefined) return { label: '', context: context('disk', 'gone'), expand: 'never' };
  const { name, sizeBytes, fileBytes, trackable } = disk;
  const tracking = trackable ? undefined : l10n.t('changes cannot be tracked');
  const file = l10n.t('{0} on the host', formatBytes(fileBytes));
  return {
    label: name,
    description: joined(formatBytes(sizeBytes), file, tracking),
    icon: trackable ? { name: 'save' } : { name: 'warning', color: colors.warning },
    context: context('disk', trackable ? 'rct' : 'norct'),
    accessibility: [
      l10n.t('Disk {0}', name),
      formatBytes(sizeBytes),
      file,
      tracking ?? l10n.t('changes are tracked'),
    ].join(', '),
    expand: 'never',
  };
}

export function diskTooltip(disk: DiskInfo): string {
  return blocks(
    heading(disk.name),
    factTable([
      [l10n.t('Size'), formatBytes(disk.sizeBytes)],
      [l10n.t('File'), formatBytes(disk.fileBytes)],
      [l10n.t('Format'), disk.format],
      [l10n.t('Sectors'), l10n.t('{0} logical, {1} physical', disk.logicalSectorBytes, disk.physicalSectorBytes)],
      [l10n.t('Trackable'), disk.trackable ? l10n.t('yes') : l10n.t('no')],
      [l10n.t('Path'), disk.path],
      [l10n.t('Id'), disk.id],
    ]),
  );
}

/** The line of the group of a VM's restore points. */
export function pointsRow(entry: VmEntry | undefined, now: number): Row {
  const last = entry?.lastRestorePoint;
  const count = entry?.backups?.restorePoints;
  return {
    label: l10n.t('Restore points'),
    description:
      last === undefined
        ? l10n.t('none')
        : joined(count?.toLocaleString(), l10n.t('newest {0}', ageText(last.createdAt, now))),
    icon: { name: 'versions' },
    context: context('points'),
    expand: last === undefined ? 'collapsed' : 'expanded',
  };
}
