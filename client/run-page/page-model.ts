/** What the run page shows of a run, in words and figures. */
import { formatBytes, formatDuration } from '../../server/base/format.ts';
import type { RunInfo, RunPhase, RunProgress, RunSample } from '../../server/protocol/daemon.ts';
import { l10n } from '../base/l10n.ts';
import { hasEnded } from '../stores/run-order.ts';
import {
  amountText,
  durationText,
  kindText,
  outcomeText,
  phaseText,
  resultText,
  stateText,
} from '../views/runs/run-texts.ts';
import { joined } from '../views/tree/row.ts';
import { leftText, percent, timeText } from '../views/tree/texts.ts';
import type { Bar, Chart, Fact, PhaseState, RunPageState } from './messages.ts';

/** The phases that a run of each kind goes through, in their order; others are shown when they come. */
const phasesOf: Readonly<Record<RunInfo['request']['kind'], readonly RunPhase[]>> = {
  backup: ['connecting', 'checkpoint', 'extents', 'transfer', 'reference-point', 'committing'],
  'restore-disk': ['connecting', 'reading', 'committing'],
  'restore-vm': ['connecting', 'transfer', 'committing'],
  verify: ['connecting', 'verifying'],
  prune: ['connecting', 'collecting'],
  gc: ['connecting', 'collecting'],
  policy: ['connecting', 'transfer', 'verifying', 'collecting'],
};

type RunDiskProgress = RunProgress['disks'][number];

/** The page of a run at `now`, ms since 1970. */
export function runPageState(run: RunInfo, now: number): RunPageState {
  const { progress, error } = run;
  const ended = hasEnded(run);
  const moves = progress.totalBytes > 0;
  return {
    title: run.title,
    subtitle: joined(kindText(run.request), run.id),
    state: ended || run.state !== 'running' ? stateText(run.state) : phaseText(progress.phase),
    tone: tone(run),
    facts: facts(run, now),
    phases: phases(run),
    parts: run.request.kind === 'policy' ? l10n.t('VMs') : l10n.t('Disks'),
    ...(moves ? { total: bar(totalName(run), progress.doneBytes, progress.totalBytes) } : {}),
    disks: shownParts(progress.disks).map((disk) => part(disk, run)),
    ...(error === undefined ? {} : { error: { message: error.message, hint: error.hint, code: error.code } }),
    warnings: run.warnings,
    canCancel: run.state === 'queued' || run.state === 'running',
    canRetry: run.state === 'failed' || run.state === 'interrupted' || run.state === 'cancelled',
  };
}

const totalName = ({ request }: RunInfo): string =>
  request.kind === 'policy' ? l10n.t('All VMs') : l10n.t('All disks');

/** More bars than these nobody watches: of more, those that move come first. */
const maxBars = 100;

function shownParts(disks: RunProgress['disks']): RunProgress['disks'] {
  if (disks.length <= maxBars) return disks;
  const moves = ({ doneBytes, totalBytes }: RunDiskProgress): boolean => doneBytes < totalBytes;
  return [...disks.filter(moves), ...disks.filter((disk) => !moves(disk))].slice(0, maxBars);
}

/**
 * A bar that is full says that all is done, as for a disk on which nothing changed. What a VM of a policy has to read is not known before
 * its own run has begun, and one that failed is not done whatever it has read.
 */
function part({ name, doneBytes, totalBytes }: RunDiskProgress, run: RunInfo): Bar {
  if (run.request.kind !== 'policy') return bar(name, doneBytes, totalBytes);
  const vms = run.outcome?.kind === 'policy' ? run.outcome.vms : [];
  const result = vms.find(({ host = '', vm }) => `${host}/${vm}` === name)?.result;
  if (result !== undefined && result !== 'succeeded') return { name, amount: resultText(result) };
  const known = totalBytes > 0 || result === 'succeeded';
  return known ? bar(name, doneBytes, totalBytes) : { name, amount: l10n.t('nothing read yet') };
}

function bar(name: string, doneBytes: number, totalBytes: number): Bar {
  // A disk on which nothing changed is done, not at zero.
  const share = totalBytes === 0 ? 100 : percent(doneBytes, totalBytes);
  return { name, percent: share, amount: amountText(doneBytes, totalBytes) };
}

function tone({ state }: RunInfo): RunPageState['tone'] {
  switch (state) {
    case 'queued':
    case 'cancelled':
      return 'quiet';
    case 'running':
    case 'cancelling':
      return 'active';
    case 'succeeded':
      return 'good';
    case 'failed':
    case 'interrupted':
      break;
  }
  return 'bad';
}

function facts(run: RunInfo, now: number): readonly Fact[] {
  const { progress, outcome, startedAt, finishedAt } = run;
  const rows: (readonly [name: string, value: string | undefined])[] = [
    [l10n.t('Queued'), timeText(run.queuedAt)],
    [l10n.t('Started'), startedAt === undefined ? undefined : timeText(startedAt)],
    [finishedAt === undefined ? l10n.t('Running for') : l10n.t('Took'), durationText(run, now)],
    [l10n.t('Speed'), hasEnded(run) ? undefined : rate(progress.bytesPerSecond)],
    [l10n.t('Time left'), progress.etaSeconds === undefined ? undefined : leftText(progress.etaSeconds)],
    [l10n.t('Host job'), progress.jobPercent === undefined ? undefined : `${progress.jobPercent} %`],
    [l10n.t('Result'), outcome === undefined ? undefined : outcomeText(outcome)],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

function rate(bytesPerSecond: number): string | undefined {
  return bytesPerSecond > 0 ? l10n.t('{0}/s', formatBytes(bytesPerSecond)) : undefined;
}

function phases(run: RunInfo): RunPageState['phases'] {
  const usual = phasesOf[run.request.kind];
  const { phase } = run.progress;
  const known = usual.includes(phase) || phase === 'queued' || phase === 'finished';
  const all = known ? usual : [...usual, phase];
  const at = phase === 'finished' ? all.length : all.indexOf(phase);
  // Cleaning up says that a phase before did not succeed, but not which: none is called done.
  const reached = known ? at : 0;
  return all.map((one, index) => {
    const state = phaseState(run, index, at, reached);
    return { text: phaseText(one), state, spoken: l10n.t('{0}: {1}', phaseText(one), phaseStateText(state)) };
  });
}

function phaseState(run: RunInfo, index: number, at: number, reached: number): PhaseState {
  if (run.state === 'succeeded' || index < reached) return 'done';
  if (index !== at) return 'to-do';
  return hasEnded(run) ? 'failed' : 'now';
}

function phaseStateText(state: PhaseState): string {
  switch (state) {
    case 'done':
      return l10n.t('done');
    case 'now':
      return l10n.t('under way');
    case 'failed':
      return l10n.t('ended here');
    case 'to-do':
      break;
  }
  return l10n.t('to come');
}

/** Each point is the mean of so much time before it, ms, or of a sixtieth of the run: data comes in batches, which are no changes of speed. */
const smoothMs = 2000;

/** The chart of what moved over time. */
export function runChart(samples: readonly RunSample[]): Chart {
  const points = smoothed(samples);
  const top = Math.max(0, ...points.map(({ bytesPerSecond }) => bytesPerSecond));
  const last = samples.at(-1);
  const mean = last === undefined || last.atMs === 0 ? 0 : (last.doneBytes / last.atMs) * 1000;
  const [topText, meanText] = [top, mean].map((value) => l10n.t('{0}/s', formatBytes(value)));
  return {
    points,
    top: topText ?? '',
    end: formatDuration(last?.atMs ?? 0),
    description:
      last === undefined
        ? l10n.t('No data has moved yet.')
        : l10n.t(
            '{0} in {1}: {2} on average, {3} at most.',
            formatBytes(last.doneBytes),
            formatDuration(last.atMs),
            meanText ?? '',
            topText ?? '',
          ),
  };
}

function smoothed(samples: readonly RunSample[]): Chart['points'] {
  const windowMs = Math.max(smoothMs, (samples.at(-1)?.atMs ?? 0) / 60);
  let first = 0;
  return samples.map(({ atMs, doneBytes, bytesPerSecond }) => {
    while (first < samples.length - 1 && (samples[first + 1]?.atMs ?? atMs) <= atMs - windowMs) first += 1;
    const before = samples[first];
    if (before === undefined || before.atMs >= atMs) return { atMs, bytesPerSecond };
    return { atMs, bytesPerSecond: ((doneBytes - before.doneBytes) / (atMs - before.atMs)) * 1000 };
  });
}
