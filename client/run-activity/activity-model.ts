/** What the status bar and the notifications say of runs. */
import { formatBytes } from '../../server/base/format.ts';
import type { RunInfo } from '../../server/protocol/daemon.ts';
import { l10n } from '../base/l10n.ts';
import type { ConnectionState } from '../daemon/state.ts';
import { topLevel } from '../stores/run-order.ts';
import { amountText, movesData, outcomeText, phaseText } from '../views/runs/run-texts.ts';
import { blocks, escaped, heading, list } from '../views/tree/markdown.ts';
import { joined } from '../views/tree/row.ts';
import { leftText, percent } from '../views/tree/texts.ts';

/** A line of progress, and how far the bar is. */
export interface NotificationText {
  readonly message: string;
  /** Whole percent of the data; 0 while nothing moves. */
  readonly percent: number;
}

/** The progress notification of a run. */
export function notificationText({ state, progress }: RunInfo): NotificationText {
  const { phase, doneBytes, totalBytes, bytesPerSecond, etaSeconds } = progress;
  if (state === 'cancelling') return { message: l10n.t('cancelling…'), percent: 0 };
  if (!movesData(phase) || totalBytes === 0) return { message: `${phaseText(phase)}…`, percent: 0 };
  const share = percent(doneBytes, totalBytes);
  const message = joined(
    `${share} %`,
    amountText(doneBytes, totalBytes),
    bytesPerSecond > 0 ? l10n.t('{0}/s', formatBytes(bytesPerSecond)) : '',
    etaSeconds === undefined ? '' : l10n.t('{0} left', leftText(etaSeconds)),
  );
  return { message, percent: share };
}

/** The message at the end of a run; undefined when the user knows already. */
export function endMessage(
  run: RunInfo,
): { readonly severity: 'info' | 'warn' | 'error'; readonly message: string } | undefined {
  const { title, state, error, outcome, warnings } = run;
  switch (state) {
    case 'succeeded': {
      const result = outcome === undefined ? '' : outcomeText(outcome);
      if (outcome?.kind === 'verify' && outcome.problems.length > 0) {
        return { severity: 'error', message: l10n.t('{0}: {1}', title, result) };
      }
      const first = warnings[0];
      if (first === undefined) return { severity: 'info', message: l10n.t('{0}: done. {1}', title, result) };
      return { severity: 'warn', message: l10n.t('{0}: done, with a warning. {1}', title, first) };
    }
    case 'failed':
    case 'interrupted': {
      const why = [error?.message ?? l10n.t('The run was interrupted.'), error?.hint ?? ''].join(' ').trim();
      return { severity: 'error', message: l10n.t('{0}: failed. {1}', title, why) };
    }
    case 'cancelled':
    case 'queued':
    case 'running':
    case 'cancelling':
      break;
  }
  return undefined;
}

/** What the status bar item shows; undefined hides it. */
export interface StatusContent {
  readonly text: string;
  readonly accessibleText: string;
  /** Markdown. */
  readonly tooltip: string;
  readonly problem: boolean;
  /** The run that a click opens; the daemon's status when absent. */
  readonly run?: RunInfo | undefined;
}

/** One item: runs under way, or that the daemon is not there. `runs` newest first; those that are part of another one count with that one. */
export function statusContent(state: ConnectionState, runs: readonly RunInfo[]): StatusContent | undefined {
  const active = topLevel(runs);
  if (state.kind === 'failed' || state.kind === 'reconnecting') {
    const lost = state.kind === 'reconnecting';
    const text = lost ? l10n.t('reconnecting to the daemon') : l10n.t('no daemon');
    return {
      text: lost ? `$(sync~spin) Tidemark: ${text}` : `$(warning) Tidemark: ${text}`,
      accessibleText: l10n.t('Tidemark: {0}', text),
      tooltip: blocks(
        heading(l10n.t('Tidemark: {0}', text)),
        escaped(state.error.message),
        escaped(state.error.hint ?? ''),
      ),
      problem: !lost,
    };
  }
  const newest = active[0];
  // Without a connection, what was active last may have ended, or be another daemon's.
  if (newest === undefined || state.kind !== 'connected') return undefined;
  const done = active.reduce((sum, run) => sum + run.progress.doneBytes, 0);
  const total = active.reduce((sum, run) => sum + run.progress.totalBytes, 0);
  const share = total > 0 ? ` ${percent(done, total)} %` : '';
  const what = active.length === 1 ? newest.title : l10n.t('{0} runs', active.length);
  return {
    text: `$(sync~spin) ${what}${share}`,
    accessibleText: l10n.t('Tidemark: {0}', `${what}${share}`),
    tooltip: blocks(
      heading(active.length === 1 ? l10n.t('1 run is active') : l10n.t('{0} runs are active', active.length)),
      list(active.slice(0, 10).map((run) => joined(run.title, notificationText(run).message))),
    ),
    problem: false,
    ...(active.length === 1 ? { run: newest } : {}),
  };
}
