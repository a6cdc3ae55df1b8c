/** How the daemon is, in words. */
import type { DaemonStatus } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { ConnectionState } from '../../daemon/state.ts';
import { ageText, timeText } from '../../views/tree/texts.ts';

/** One sentence about the connection. */
export function stateSentence(state: ConnectionState): string {
  switch (state.kind) {
    case 'disconnected':
      return l10n.t('Not connected: nothing needed the daemon yet, or it was stopped.');
    case 'starting':
      return l10n.t('Connecting…');
    case 'connected':
      return connectedSentence(state);
    case 'reconnecting':
      return l10n.t('The connection is lost and tried again: {0}', state.error.message);
    case 'failed':
      break;
  }
  return [state.error.message, state.error.hint ?? ''].join(' ').trim();
}

function connectedSentence({ note }: Extract<ConnectionState, { kind: 'connected' }>): string {
  if (note?.kind === 'older-daemon') {
    return l10n.t('Connected. The daemon is older ({0}) and is replaced when its runs have ended.', note.daemonVersion);
  }
  if (note?.kind === 'newer-daemon') {
    return l10n.t('Connected. The daemon is newer ({0}): reload the window to use its version.', note.daemonVersion);
  }
  return l10n.t('Connected. Choose a line to copy it.');
}

export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** What there is to know, most wanted first. */
export function statusFacts(status: DaemonStatus, now: number): readonly Fact[] {
  const { machine, version, pid, startedAt, activeRuns, hosts, repositories, dataDirectory, logFile } = status;
  const facts: Fact[] = [
    { label: l10n.t('Version'), value: version },
    { label: l10n.t('Machine'), value: machine },
    { label: l10n.t('Process'), value: String(pid) },
    { label: l10n.t('Running since'), value: `${timeText(startedAt)} (${ageText(startedAt, now)})` },
    { label: l10n.t('Active runs'), value: String(activeRuns) },
    { label: l10n.t('Hosts'), value: String(hosts) },
    { label: l10n.t('Repositories'), value: String(repositories) },
    { label: l10n.t('Data'), value: dataDirectory },
    { label: l10n.t('Log'), value: logFile },
  ];
  if (status.remoteUrl !== undefined)
    facts.push({ label: l10n.t('Reached from elsewhere at'), value: status.remoteUrl });
  if (status.exitsWhenIdleMinutes !== undefined) {
    facts.push({ label: l10n.t('Ends when idle for'), value: l10n.t('{0} min', status.exitsWhenIdleMinutes) });
  }
  return facts;
}
