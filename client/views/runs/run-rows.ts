/** The lines and tooltips of runs, their disks, and the groups. */
import { formatBytes } from '../../../server/base/format.ts';
import type { PolicyRunVm, RunInfo } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { hasEnded } from '../../stores/run-order.ts';
import { blocks, escaped, factTable, heading, list, table } from '../tree/markdown.ts';
import { colors, context, joined } from '../tree/row.ts';
import type { Icon, Row } from '../tree/row.ts';
import { ageText, bar, percent, shortTimeText } from '../tree/texts.ts';
import {
  amountText,
  durationText,
  kindText,
  outcomeText,
  progressText,
  resultText,
  spokenProgress,
  stateText,
} from './run-texts.ts';
import type { RunDiskNode, RunGroup, RunNode, RunVmNode } from './runs-nodes.ts';

/** Whether a run ended without doing what it was for, and not because somebody wanted that. */
export function hasFailed({ state }: Pick<RunInfo, 'state'>): boolean {
  return state === 'failed' || state === 'interrupted';
}

/** The line of a run; `run` is absent when it went away a moment ago. */
export function runRow({ runId }: RunNode, run: RunInfo | undefined, now: number): Row {
  if (run === undefined) return { label: runId, context: context('run', 'gone'), expand: 'never' };
  const ended = hasEnded(run);
  return {
    label: run.title,
    description: description(run, now),
    icon: icon(run),
    context: context(
      'run',
      run.state,
      ended ? 'ended' : 'active',
      run.request.kind,
      run.warnings.length > 0 && 'warnings',
    ),
    accessibility: spoken(run, now),
    expand: expansion(run),
  };
}

function expansion(run: RunInfo): Row['expand'] {
  if (hasFailed(run)) return 'expanded';
  // Its disks come a moment later, and VS Code goes by what it was told first.
  if (run.state === 'running' || run.state === 'cancelling') return 'expanded';
  return run.warnings.length > 0 ||
    run.progress.disks.length > 0 ||
    run.outcome?.kind === 'verify' ||
    run.outcome?.kind === 'policy'
    ? 'collapsed'
    : 'never';
}

function icon(run: RunInfo): Icon {
  switch (run.state) {
    case 'queued':
      return { name: 'clock' };
    case 'running':
    case 'cancelling':
      return { name: 'sync~spin' };
    case 'succeeded':
      return hasProblems(run) ? { name: 'warning', color: colors.warning } : { name: 'pass', color: colors.good };
    case 'failed':
    case 'interrupted':
      return { name: 'error', color: colors.bad };
    case 'cancelled':
      break;
  }
  return { name: 'circle-slash', color: colors.weak };
}

/** Succeeded, and still worth a look. */
function hasProblems({ warnings, outcome }: RunInfo): boolean {
  if (outcome?.kind === 'verify') return warnings.length > 0 || outcome.problems.length > 0;
  if (outcome?.kind === 'policy')
    return warnings.length > 0 || outcome.vms.some(({ result }) => result !== 'succeeded');
  return warnings.length > 0;
}

function description(run: RunInfo, now: number): string {
  switch (run.state) {
    case 'queued':
      return joined(whatText(run), l10n.t('waiting since {0}', shortTimeText(run.queuedAt, now)));
    case 'running':
      return progressText(run.progress);
    case 'cancelling':
      return joined(l10n.t('cancelling'), progressText(run.progress));
    case 'succeeded':
      return joined(
        endedText(run, now),
        run.outcome === undefined ? '' : outcomeText(run.outcome),
        durationText(run, now),
      );
    case 'failed':
    case 'cancelled':
    case 'interrupted':
      break;
  }
  return joined(endedText(run, now), whatText(run), stateText(run.state));
}

/** What kind of run it is, unless its title says so. */
function whatText({ request }: RunInfo): string {
  return request.kind === 'policy' ? '' : kindText(request);
}

const endedText = ({ finishedAt, queuedAt }: RunInfo, now: number): string => ageText(finishedAt ?? queuedAt, now);

function spoken(run: RunInfo, now: number): string {
  const parts = [
    run.title,
    kindText(run.request),
    hasProblems(run) ? l10n.t('succeeded with warnings') : stateText(run.state),
  ];
  if (hasEnded(run)) parts.push(endedText(run, now), run.error?.message ?? '');
  else parts.push(spokenProgress(run.progress));
  return parts.filter((part) => part !== '').join(', ');
}

export function runTooltip(run: RunInfo, now: number): string {
  const { progress, error } = run;
  return blocks(
    heading(run.title),
    factTable([
      [l10n.t('What'), kindText(run.request)],
      [l10n.t('State'), stateText(run.state)],
      [l10n.t('Progress'), hasEnded(run) ? undefined : progressText(progress)],
      [l10n.t('Queued'), shortTimeText(run.queuedAt, now)],
      [l10n.t('Started'), run.startedAt === undefined ? undefined : shortTimeText(run.startedAt, now)],
      [l10n.t('Ended'), run.finishedAt === undefined ? undefined : shortTimeText(run.finishedAt, now)],
      [l10n.t('Took'), hasEnded(run) ? durationText(run, now) : undefined],
      [l10n.t('Outcome'), run.outcome === undefined ? undefined : outcomeText(run.outcome)],
      [l10n.t('Id'), run.id],
    ]),
    error === undefined
      ? undefined
      : blocks(heading(l10n.t('Reason')), escaped(error.message), error.hint === undefined ? '' : escaped(error.hint)),
    run.warnings.length === 0 ? undefined : blocks(heading(l10n.t('Warnings')), list(run.warnings)),
    diskTable(run),
  );
}

/** A policy may take in more VMs than a tooltip has room for. */
const maxTooltipRows = 20;

function diskTable({ request, progress: { disks } }: RunInfo): string {
  if (disks.length === 0) return '';
  const shown = disks.slice(0, maxTooltipRows);
  const more = disks.length - shown.length;
  return blocks(
    table(
      [request.kind === 'policy' ? l10n.t('VM') : l10n.t('Disk'), l10n.t('Done'), l10n.t('Of')],
      shown.map(({ name, doneBytes, totalBytes }) => [name, formatBytes(doneBytes), formatBytes(totalBytes)]),
    ),
    more > 0 ? escaped(l10n.t('and {0} more', more.toLocaleString())) : undefined,
  );
}

/** The line of a disk of a run. */
export function runDiskRow({ index }: RunDiskNode, run: RunInfo | undefined): Row {
  const disk = run?.progress.disks[index];
  if (run === undefined || disk === undefined)
    return { label: '', context: context('runDisk', 'gone'), expand: 'never' };
  const { name, doneBytes, totalBytes } = disk;
  const done = percent(doneBytes, totalBytes);
  const amount = amountText(doneBytes, totalBytes);
  const nothing = totalBytes === 0 ? l10n.t('nothing to transfer') : undefined;
  return {
    label: name,
    description: nothing ?? (hasEnded(run) ? amount : joined(`${bar(doneBytes / totalBytes)} ${done} %`, amount)),
    icon: { name: 'save' },
    context: context('runDisk'),
    accessibility: [l10n.t('Disk {0}', name), nothing ?? l10n.t('{0} percent', done)].join(', '),
    expand: 'never',
  };
}

const resultIcons: Readonly<Record<PolicyRunVm['result'], Icon>> = {
  succeeded: { name: 'pass', color: colors.good },
  failed: { name: 'error', color: colors.bad },
  skipped: { name: 'debug-step-over', color: colors.warning },
  cancelled: { name: 'circle-slash', color: colors.weak },
};

/** The line of a VM in the run of a policy. */
export function runVmRow({ index }: RunVmNode, run: RunInfo | undefined): Row {
  const vm = run?.outcome?.kind === 'policy' ? run.outcome.vms[index] : undefined;
  if (vm === undefined) return { label: '', context: context('runVm', 'gone'), expand: 'never' };
  const facts = [resultText(vm.result), vm.host ?? '', vm.reason ?? vm.error?.message ?? ''];
  return {
    label: vm.vm,
    description: joined(...facts),
    icon: resultIcons[vm.result],
    context: context('runVm', vm.result),
    accessibility: [l10n.t('Virtual machine {0}', vm.vm), ...facts].filter((fact) => fact !== '').join(', '),
    expand: 'never',
    ...(vm.run === undefined
      ? {}
      : { command: { id: 'tidemark.run.show', title: l10n.t('Show Run'), target: { runId: vm.run } } }),
  };
}

/** The line of a group with so many runs. */
export function groupRow(group: RunGroup, count: number): Row {
  return {
    label: groupText(group),
    description: count.toLocaleString(),
    context: context('runGroup', group),
    accessibility: l10n.t('{0}, {1} runs', groupText(group), count),
    expand: group === 'earlier' ? 'collapsed' : 'expanded',
  };
}

function groupText(group: RunGroup): string {
  return groupTexts[group]();
}

const groupTexts: Readonly<Record<RunGroup, () => string>> = {
  active: () => l10n.t('Active'),
  queued: () => l10n.t('Queued'),
  failed: () => l10n.t('Failed'),
  today: () => l10n.t('Today'),
  earlier: () => l10n.t('Earlier'),
};
