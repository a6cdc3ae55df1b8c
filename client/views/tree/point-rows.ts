/** The lines and tooltips of restore points and their disks. */
import { formatBytes, formatDuration } from '../../../server/base/format.ts';
import type {
  Consistency,
  DiskStats,
  FullReason,
  RestorePointDisk,
  RestorePointInfo,
} from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import { blocks, escaped, factTable, heading, list, table } from './markdown.ts';
import type { DamagedNode, PointDiskNode, PointNode } from './point-nodes.ts';
import { colors, context, joined } from './row.ts';
import type { Row } from './row.ts';
import { ageText, clockText, disksText, millis, timeText } from './texts.ts';

const icons = { full: { name: 'archive' }, incremental: { name: 'history' } } as const;

/** The line of a restore point. */
export function pointRow({ label, point }: PointNode, now: number): Row {
  const warned = point.warnings.length > 0;
  const time = label === 'time' ? timeText(point.createdAt) : clockText(point.createdAt);
  const type = typeText(point.type);
  // In a narrow line only what is not as usual; the tooltip has both.
  const unusual = point.consistency === 'crash' ? consistencyText(point.consistency) : '';
  const pinned = point.pinned === undefined ? '' : l10n.t('pinned');
  const facts = joined(pinned, unusual, costText(point.disks));
  const age = ageText(point.createdAt, now);
  return {
    label: label === 'time' ? time : point.vmName,
    description: label === 'time' ? joined(type, age, facts) : joined(time, type, facts),
    icon: warned ? { name: 'warning', color: colors.warning } : pinned === '' ? icons[point.type] : { name: 'pinned' },
    context: context('restorePoint', point.type, warned && 'warnings', pinned === '' ? 'loose' : 'pinned'),
    accessibility: [
      l10n.t('Restore point of {0}, {1}', point.vmName, timeText(point.createdAt)),
      type,
      age,
      facts.replaceAll(' · ', ', '),
      ...(warned ? [l10n.t('with warnings')] : []),
    ].join(', '),
    expand: 'collapsed',
  };
}

export function pointTooltip({ point }: PointNode): string {
  const cost = total(point.disks);
  const took = millis(point.finishedAt) - millis(point.createdAt);
  return blocks(
    heading(l10n.t('{0}, {1}', point.vmName, timeText(point.createdAt))),
    factTable([
      [l10n.t('Host'), point.host],
      [l10n.t('Repository'), point.repository],
      [l10n.t('Type'), typeText(point.type)],
      [l10n.t('Consistency'), consistencyText(point.consistency)],
      [l10n.t('Took'), took > 0 ? formatDuration(took) : undefined],
      [l10n.t('Disks'), joined(disksText(point.disks.length), formatBytes(cost.sizeBytes))],
      [l10n.t('Data'), formatBytes(cost.dataBytes)],
      [l10n.t('Read'), formatBytes(cost.readBytes)],
      [l10n.t('New'), formatBytes(cost.newBytes)],
      [l10n.t('Stored'), formatBytes(cost.storedBytes)],
      [l10n.t('Next incremental'), point.referencePointId === undefined ? l10n.t('not from here') : l10n.t('possible')],
      [l10n.t('Policy'), point.policy],
      [l10n.t('Pinned'), pinText(point)],
      [l10n.t('Id'), point.id],
    ]),
    diskTable(point.disks),
    point.warnings.length === 0 ? undefined : blocks(heading(l10n.t('Warnings')), list(point.warnings)),
  );
}

function pinText({ pinned }: RestorePointInfo): string | undefined {
  if (pinned === undefined) return undefined;
  return joined(l10n.t('by {0}, {1}', pinned.by, timeText(pinned.at)), pinned.note);
}

function diskTable(disks: readonly RestorePointDisk[]): string {
  const head = [l10n.t('Disk'), l10n.t('Size'), l10n.t('Read'), l10n.t('Stored'), l10n.t('How')];
  const rows = disks.map((disk) => [
    disk.name,
    formatBytes(disk.sizeBytes),
    formatBytes(disk.stats.readBytes),
    formatBytes(disk.stats.storedBytes),
    kindText(disk),
  ]);
  return disks.length === 0 ? '' : table(head, rows);
}

/** The line of a disk in a restore point. */
export function pointDiskRow({ disk, content }: PointDiskNode): Row {
  return {
    label: disk,
    description: joined(formatBytes(content.sizeBytes), kindText(content), costText([content])),
    icon: { name: 'save' },
    context: context('restorePointDisk'),
    expand: 'never',
  };
}

export function pointDiskTooltip({ content: disk }: PointDiskNode): string {
  return blocks(
    heading(disk.name),
    factTable([
      [l10n.t('Size'), formatBytes(disk.sizeBytes)],
      [l10n.t('Data'), formatBytes(disk.stats.dataBytes)],
      [l10n.t('Read'), formatBytes(disk.stats.readBytes)],
      [l10n.t('New'), formatBytes(disk.stats.newBytes)],
      [l10n.t('Stored'), formatBytes(disk.stats.storedBytes)],
      [l10n.t('How'), kindText(disk)],
      [l10n.t('Id'), disk.id],
    ]),
  );
}

/** The line of what cannot be read. */
export function damagedRow({ file, reason }: DamagedNode): Row {
  return {
    label: file.split(/[\\/]/).at(-1) ?? file,
    description: reason,
    icon: { name: 'error', color: colors.bad },
    context: context('damaged'),
    accessibility: l10n.t('Damaged: {0}. {1}', file, reason),
    expand: 'never',
  };
}

export function damagedTooltip({ file, repository, reason, hint }: DamagedNode): string {
  return blocks(
    heading(l10n.t('Cannot be read')),
    factTable([
      [l10n.t('Repository'), repository],
      [l10n.t('File'), file],
    ]),
    escaped(reason),
    hint === undefined ? undefined : escaped(hint),
  );
}

export function typeText(type: RestorePointInfo['type']): string {
  return type === 'full' ? l10n.t('full') : l10n.t('incremental');
}

export function consistencyText(consistency: Consistency): string {
  return consistency === 'application' ? l10n.t('application-consistent') : l10n.t('crash-consistent');
}

function costText(disks: readonly RestorePointDisk[]): string {
  const { readBytes, storedBytes } = total(disks);
  return l10n.t('{0} read, {1} stored', formatBytes(readBytes), formatBytes(storedBytes));
}

function kindText({ kind }: RestorePointDisk): string {
  return kind.type === 'incremental' ? typeText('incremental') : l10n.t('full: {0}', reasonText(kind.reason));
}

/** Why a disk was read in full. */
function reasonText(reason: FullReason): string {
  return reasonTexts[reason]();
}

const reasonTexts: Readonly<Record<FullReason, () => string>> = {
  first: () => l10n.t('first backup'),
  requested: () => l10n.t('asked for'),
  'base-missing': () => l10n.t('the restore point before is missing'),
  'reference-point-missing': () => l10n.t('the host no longer knows the reference point'),
  'tracking-unknown': () => l10n.t('the host lost track of the changes'),
  'new-disk': () => l10n.t('new disk'),
  resized: () => l10n.t('resized'),
  'not-trackable': () => l10n.t('changes cannot be tracked'),
};

function total(disks: readonly RestorePointDisk[]): DiskStats & { readonly sizeBytes: number } {
  const sum = (of: (disk: RestorePointDisk) => number): number => disks.reduce((bytes, disk) => bytes + of(disk), 0);
  return {
    sizeBytes: sum((disk) => disk.sizeBytes),
    readBytes: sum(({ stats }) => stats.readBytes),
    newBytes: sum(({ stats }) => stats.newBytes),
    storedBytes: sum(({ stats }) => stats.storedBytes),
    dataBytes: sum(({ stats }) => stats.dataBytes),
  };
}
