/** A run in words: its phase, its progress, its outcome. */
import { formatBytes, formatDuration } from '../../../server/base/format.ts';
import type {
  PolicyRunVm,
  RunInfo,
  RunOutcome,
  RunPhase,
  RunProgress,
  RunRequest,
  RunState,
} from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { consistencyText, typeText } from '../tree/point-rows.ts';
import { joined } from '../tree/row.ts';
import { bar, leftText, millis, percent, pointsText } from '../tree/texts.ts';

/** `▓▓▓▓░░░░░░ 42 % · 1.2 GiB of 3 GiB · 210 MiB/s · 1 min left`, or the phase where nothing is moved. */
export function progressText({
  phase,
  jobPercent,
  doneBytes,
  totalBytes,
  bytesPerSecond,
  etaSeconds,
}: RunProgress): string {
  if (!movesData(phase)) return joined(phaseText(phase), jobPercent === undefined ? '' : `${jobPercent} %`);
  return joined(
    totalBytes > 0 ? `${bar(doneBytes / totalBytes)} ${percent(doneBytes, totalBytes)} %` : phaseText(phase),
    totalBytes > 0 ? amountText(doneBytes, totalBytes) : '',
    bytesPerSecond > 0 ? l10n.t('{0}/s', formatBytes(bytesPerSecond)) : '',
    etaSeconds === undefined ? '' : l10n.t('{0} left', leftText(etaSeconds)),
  );
}

/** The same for a screen reader: without the bar, in steps of ten percent so that it is not read out each second. */
export function spokenProgress({ phase, doneBytes, totalBytes }: RunProgress): string {
  if (!movesData(phase) || totalBytes <= 0) return phaseText(phase);
  return l10n.t('{0}, {1} percent', phaseText(phase), Math.floor(percent(doneBytes, totalBytes) / 10) * 10);
}

export function amountText(doneBytes: number, totalBytes: number): string {
  return l10n.t('{0} of {1}', formatBytes(doneBytes), formatBytes(totalBytes));
}

/** Whether bytes tell how far a run is. */
export function movesData(phase: RunPhase): boolean {
  return phase === 'transfer' || phase === 'reading' || phase === 'verifying' || phase === 'collecting';
}

export function phaseText(phase: RunPhase): string {
  return phaseTexts[phase]();
}

const phaseTexts: Readonly<Record<RunPhase, () => string>> = {
  queued: () => l10n.t('waiting'),
  connecting: () => l10n.t('connecting'),
  checkpoint: () => l10n.t('creating checkpoint'),
  extents: () => l10n.t('finding changes'),
  transfer: () => l10n.t('transferring'),
  sealing: () => l10n.t('writing packs'),
  'reference-point': () => l10n.t('creating reference point'),
  committing: () => l10n.t('writing restore point'),
  'cleaning-up': () => l10n.t('cleaning up'),
  reading: () => l10n.t('reading'),
  verifying: () => l10n.t('verifying'),
  collecting: () => l10n.t('collecting'),
  finished: () => l10n.t('finished'),
};

export function stateText(state: RunState): string {
  return stateTexts[state]();
}

const stateTexts: Readonly<Record<RunState, () => string>> = {
  queued: () => l10n.t('waiting'),
  running: () => l10n.t('running'),
  cancelling: () => l10n.t('cancelling'),
  succeeded: () => l10n.t('succeeded'),
  failed: () => l10n.t('failed'),
  cancelled: () => l10n.t('cancelled'),
  interrupted: () => l10n.t('interrupted'),
};

/** What became of a VM in the run of a policy. */
export function resultText(result: PolicyRunVm['result']): string {
  return result === 'skipped' ? l10n.t('left out') : stateText(result);
}

/** What kind of run it is. */
export function kindText({ kind }: RunRequest): string {
  return kindTexts[kind]();
}

const kindTexts: Readonly<Record<RunRequest['kind'], () => string>> = {
  backup: () => l10n.t('backup'),
  'restore-disk': () => l10n.t('restore of a disk'),
  'restore-vm': () => l10n.t('restore of a VM'),
  verify: () => l10n.t('verification'),
  prune: () => l10n.t('retention'),
  gc: () => l10n.t('collection of unused data'),
  policy: () => l10n.t('run of a policy'),
};

/** What a run that succeeded has to show, in one line. */
export function outcomeText(outcome: RunOutcome): string {
  switch (outcome.kind) {
    case 'backup': {
      const { type, consistency, disks } = outcome.restorePoint;
      const read = disks.reduce((bytes, { stats }) => bytes + stats.readBytes, 0);
      const stored = disks.reduce((bytes, { stats }) => bytes + stats.storedBytes, 0);
      const sizes = l10n.t('{0} read, {1} stored', formatBytes(read), formatBytes(stored));
      return joined(typeText(type), sizes, consistencyText(consistency));
    }
    case 'restore-disk':
      return l10n.t('{0} written to {1}', formatBytes(outcome.dataBytes), outcome.target);
    case 'restore-vm':
      return l10n.t('{0} on {1}', outcome.vmName, outcome.host);
    case 'verify':
      return outcome.problems.length === 0
        ? l10n.t('{0} are sound', pointsText(outcome.restorePoints))
        : l10n.t('{0} problems found', outcome.problems.length);
    case 'prune':
      return l10n.t('{0} removed, {1} kept', outcome.removed.length, outcome.kept.length);
    case 'gc':
      return l10n.t('{0} freed', formatBytes(outcome.deletedBytes));
    case 'policy':
      break;
  }
  const succeeded = outcome.vms.filter(({ result }) => result === 'succeeded').length;
  return l10n.t('{0} of {1} VMs backed up', succeeded, outcome.vms.length);
}

/** How long a run took, or has been running; undefined before it starts. */
export function durationText({ startedAt, finishedAt }: RunInfo, now: number): string | undefined {
  if (startedAt === undefined) return undefined;
  return formatDuration(Math.max(0, (finishedAt === undefined ? now : millis(finishedAt)) - millis(startedAt)));
}
