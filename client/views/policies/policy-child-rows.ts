/** The lines and tooltips of what is below a policy: its VMs and its versions. */
import type { PlannedVm, PolicyVersion, VmEntry } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { Cached } from '../../stores/cached.ts';
import { vmStateText } from '../hosts/vm-rows.ts';
import { blocks, factTable, heading } from '../tree/markdown.ts';
import { context, joined } from '../tree/row.ts';
import type { Row } from '../tree/row.ts';
import { ageText, timeText } from '../tree/texts.ts';
import type { PolicyVersionNode, PolicyVmNode } from './policies-nodes.ts';

/** The line of the group of a policy's VMs. */
export function policyVmsRow(vms: Cached<readonly PlannedVm[]>): Row {
  const count = vms.value.filter(({ change }) => change !== 'dropped').length;
  return {
    label: l10n.t('VMs'),
    description: vms.readAt === undefined ? undefined : count.toLocaleString(),
    icon: { name: 'vm' },
    context: context('policyVms'),
    expand: 'collapsed',
  };
}

/** The line of a VM of a policy; `entry` is absent while its host was not read. */
export function policyVmRow({ host, vmName, change }: PolicyVmNode, entry: VmEntry | undefined, now: number): Row {
  const last = entry?.lastRestorePoint;
  const facts = [
    changeText(change),
    host,
    entry === undefined || entry.vm.state === 'running' ? '' : vmStateText(entry.vm.state),
    entry === undefined
      ? ''
      : last === undefined
        ? l10n.t('never backed up')
        : l10n.t('last backup {0}', ageText(last.createdAt, now)),
  ];
  return {
    label: vmName,
    description: joined(...facts),
    icon: { name: change === 'new' ? 'diff-added' : change === 'dropped' ? 'diff-removed' : 'vm' },
    context: context('vm', 'policyVm', last !== undefined && 'protected'),
    accessibility: [l10n.t('Virtual machine {0}', vmName), ...facts].filter((fact) => fact !== '').join(', '),
    expand: 'never',
  };
}

function changeText(change: PlannedVm['change']): string {
  switch (change) {
    case 'new':
      return l10n.t('new');
    case 'dropped':
      return l10n.t('no longer taken in');
    case 'kept':
      break;
  }
  return '';
}

/** The line of the group of a policy's versions. */
export function policyVersionsRow(versions: Cached<readonly PolicyVersion[]>): Row {
  return {
    label: l10n.t('History'),
    description: versions.readAt === undefined ? undefined : versions.value.length.toLocaleString(),
    icon: { name: 'history' },
    context: context('policyVersions'),
    expand: 'collapsed',
  };
}

/** The line of a version. */
export function policyVersionRow({ policyName, version, current, entry }: PolicyVersionNode, now: number): Row {
  const deleted = entry.change === 'deleted';
  const what = current && entry.change === 'applied' ? '' : versionChange(entry);
  const facts = [what, ageText(entry.at, now), entry.by];
  const label = l10n.t('Version {0}', version);
  return {
    label,
    description: joined(current ? l10n.t('applied now') : '', ...facts),
    icon: { name: current ? 'pass' : deleted ? 'trash' : entry.change === 'rolled-back' ? 'discard' : 'git-commit' },
    context: context('policyVersion', current ? 'current' : !deleted && 'earlier'),
    expand: 'never',
    ...(deleted
      ? {}
      : {
          command: {
            id: 'tidemark.policy.openVersion',
            title: l10n.t('Open'),
            target: { kind: 'policyVersion', policyName, version },
          },
        }),
  };
}

/** What made a version: `applied`, `rolled back to version 2`, `deleted`. */
export function versionChange({ change, restored }: PolicyVersion): string {
  switch (change) {
    case 'deleted':
      return l10n.t('deleted');
    case 'rolled-back':
      return restored === undefined ? l10n.t('rolled back') : l10n.t('rolled back to version {0}', restored);
    case 'applied':
      break;
  }
  return l10n.t('applied');
}

export function policyVersionTooltip({ policyName, version, entry }: PolicyVersionNode): string {
  return blocks(
    heading(l10n.t('{0}, version {1}', policyName, version)),
    factTable([
      [l10n.t('What'), versionChange(entry)],
      [l10n.t('When'), timeText(entry.at)],
      [l10n.t('By'), entry.by],
      [l10n.t('From'), entry.source],
      [l10n.t('SHA-256'), entry.sha256],
    ]),
  );
}
