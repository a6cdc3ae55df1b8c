/** The lines and tooltips of repositories and of the groups in them. */
import { formatBytes } from '../../../server/base/format.ts';
import type { RepositoryEntry, RepositoryStatus } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { Cached } from '../../stores/cached.ts';
import type { PointSummary } from '../../stores/restore-point-store.ts';
import { blocks, escaped, factTable, heading, list } from '../tree/markdown.ts';
import { colors, context, joined } from '../tree/row.ts';
import type { Icon, Row } from '../tree/row.ts';
import { ageText, dayHeading, pointsText, shortTimeText, timeText, warningsText } from '../tree/texts.ts';
import type { RepositoryDayNode, RepositoryNode } from './repositories-nodes.ts';

type Status = Cached<RepositoryStatus | undefined>;
type VmCount = PointSummary['vms'][number];

/** What the line of a repository goes by besides its name. */
interface RepositoryRowData {
  readonly entry: RepositoryEntry | undefined;
  readonly status: Status;
  /** Restore points known to be unreadable. */
  readonly damaged: number;
  readonly filtered: boolean;
}

/** The line of a repository. */
export function repositoryRow({ repository }: RepositoryNode, data: RepositoryRowData): Row {
  const { entry, status, damaged } = data;
  const health = healthText(status, damaged);
  const size = status.value === undefined ? undefined : formatBytes(status.value.storedBytes);
  return {
    label: repository,
    description: joined(health, size, entry?.location),
    icon: icon(status, damaged),
    context: context('repository', health === undefined ? 'healthy' : 'damaged', status.stale && 'stale'),
    accessibility: [l10n.t('Repository {0}', repository), health ?? l10n.t('healthy'), size, entry?.location]
      .filter((part) => part !== undefined)
      .join(', '),
    expand: data.filtered ? 'expanded' : 'collapsed',
  };
}

function healthText(status: Status, damaged: number): string | undefined {
  if (status.state === 'failed') return l10n.t('cannot be read');
  if (damaged > 0) return l10n.t('{0} damaged', damaged);
  const warnings = status.value?.warnings.length ?? 0;
  return warnings === 0 ? undefined : warningsText(warnings);
}

function icon(status: Status, damaged: number): Icon {
  if (status.state === 'failed' || damaged > 0) return { name: 'error', color: colors.bad };
  if ((status.value?.warnings.length ?? 0) > 0) return { name: 'warning', color: colors.warning };
  return { name: 'database' };
}

export function repositoryTooltip(entry: RepositoryEntry, status: Status, now: number): string {
  const { value, error, readAt } = status;
  return blocks(
    heading(entry.name),
    factTable([
      [l10n.t('Location'), entry.location],
      ...(value === undefined ? [] : sizes(value)),
      [l10n.t('Read'), readAt === undefined ? undefined : shortTimeText(readAt, now)],
      [l10n.t('Id'), entry.id],
    ]),
    status.state === 'failed' && error !== undefined
      ? blocks(
          heading(l10n.t('Cannot be read')),
          escaped(error.message),
          error.hint === undefined ? '' : escaped(error.hint),
        )
      : undefined,
    value === undefined || value.warnings.length === 0
      ? undefined
      : blocks(heading(l10n.t('Warnings')), list(value.warnings)),
  );
}

/** Deduplication is what restore points share; compression is what remains of the rest once packed. */
function sizes(status: RepositoryStatus): readonly (readonly [string, string | undefined])[] {
  const { logicalBytes, uniqueBytes, storedBytes, unusedBytes, freeBytes } = status;
  const packed = Math.max(0, storedBytes - unusedBytes);
  return [
    [l10n.t('VMs'), status.vms.toLocaleString()],
    [l10n.t('Restore points'), status.restorePoints.toLocaleString()],
    [l10n.t('Data in restore points'), formatBytes(logicalBytes)],
    [l10n.t('Saved by deduplication'), savedText(logicalBytes, uniqueBytes)],
    [l10n.t('Saved by compression'), savedText(uniqueBytes, packed)],
    [l10n.t('Size'), formatBytes(storedBytes)],
    [l10n.t('Of that unused'), formatBytes(unusedBytes)],
    [l10n.t('Free space'), freeBytes === null ? l10n.t('unknown') : formatBytes(freeBytes)],
  ];
}

/** `1.5 GiB (75 %)`; nothing when nothing was saved. */
export function savedText(before: number, after: number): string | undefined {
  const saved = before - after;
  if (before <= 0 || saved <= 0) return undefined;
  return `${formatBytes(saved)} (${Math.floor((saved / before) * 100)} %)`;
}

/** The line of a VM in a repository; `vm` is absent when it went away a moment ago. */
export function repositoryVmRow(vm: VmCount | undefined, now: number): Row {
  if (vm === undefined) return { label: '', context: context('repositoryVm', 'gone'), expand: 'never' };
  return {
    label: vm.vmName,
    description: joined(pointsText(vm.count), l10n.t('newest {0}', ageText(vm.newestAt, now))),
    icon: { name: 'vm' },
    context: context('repositoryVm'),
    expand: 'collapsed',
  };
}

export function repositoryVmTooltip(vm: VmCount): string {
  return blocks(
    heading(vm.vmName),
    factTable([
      [l10n.t('Restore points'), vm.count.toLocaleString()],
      [l10n.t('Newest'), timeText(vm.newestAt)],
      [l10n.t('Oldest'), timeText(vm.oldestAt)],
      [l10n.t('Id'), vm.vmId],
    ]),
  );
}

/** The line of a day in a repository. */
export function repositoryDayRow({ day }: RepositoryDayNode, count: number, now: number): Row {
  const label = dayHeading(day, now);
  return {
    label,
    description: joined(label === day ? '' : day, pointsText(count)),
    icon: { name: 'calendar' },
    context: context('repositoryDay'),
    expand: 'collapsed',
  };
}

/** The line of what cannot be read in a repository. */
export function damageRow(count: number): Row {
  return {
    label: l10n.t('Damaged'),
    description: l10n.t('{0} cannot be read', pointsText(count)),
    icon: { name: 'error', color: colors.bad },
    context: context('damage'),
    accessibility: l10n.t('Damaged: {0} cannot be read', pointsText(count)),
    expand: 'expanded',
  };
}
