/** `tidemark.daemon.status`: how the daemon is, and what to do with it. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { DaemonStatus } from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import type { CommandId } from '../contributions.ts';
import { pickOne } from '../ui/pick.ts';
import type { Choice } from '../ui/pick.ts';
import { readSetting } from '../ui/settings.ts';
import { stateSentence, statusFacts } from './flows/daemon-facts.ts';
import { runCommand } from './registry.ts';
import type { CommandHandler } from './registry.ts';

type Answer = { readonly copy: string } | { readonly command: CommandId };

/** An answer that takes longer is not worth waiting for here, ms. */
const timeoutMs = 5000;

export function daemonStatus(app: App): CommandHandler<'tidemark.daemon.status'> {
  return async () => {
    const answer = await pickOne<Answer>({
      title: vscode.l10n.t('Tidemark Daemon'),
      placeholder: stateSentence(app.daemon.state),
      choices: async (signal) => {
        const status = await currentStatus(app, signal);
        return [...facts(status), ...actions(app)];
      },
    });
    if ('command' in answer) await runCommand(answer.command);
    else await vscode.env.clipboard.writeText(answer.copy);
  };
}

/** Undefined when there is no daemon to ask: the list says so. */
async function currentStatus({ daemon: link, logs }: App, signal: AbortSignal): Promise<DaemonStatus | undefined> {
  if (link.state.kind !== 'connected') return undefined;
  try {
    return await link.request(daemon.getDaemonStatus, {}, { signal, timeoutMs });
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.cancelled)) throw error;
    logs.warn('the daemon did not tell its status', error);
    return undefined;
  }
}

function facts(status: DaemonStatus | undefined): readonly Choice<Answer>[] {
  if (status === undefined) return [];
  return statusFacts(status, Date.now()).map(({ label, value }) => ({
    label,
    description: value,
    value: { copy: value },
  }));
}

function actions({ daemon: { state } }: App): readonly Choice<Answer>[] {
  const remote = readSetting('tidemark.daemon.address') !== '';
  const connected = state.kind === 'connected';
  const choice = (label: string, icon: string, command: CommandId): Choice<Answer> => ({
    label,
    iconPath: new vscode.ThemeIcon(icon),
    value: { command },
  });
  const start = remote ? vscode.l10n.t('Connect') : vscode.l10n.t('Start Daemon');
  return [
    ...(connected ? [] : [choice(start, 'play', 'tidemark.daemon.start')]),
    choice(vscode.l10n.t('Show Daemon Log'), 'output', 'tidemark.daemon.showLog'),
    ...(connected
      ? [
          choice(vscode.l10n.t('Restart Daemon…'), 'debug-restart', 'tidemark.daemon.restart'),
          choice(vscode.l10n.t('Stop Daemon…'), 'debug-stop', 'tidemark.daemon.stop'),
        ]
      : []),
    ...(remote ? [choice(vscode.l10n.t('Enter Daemon Password Again'), 'key', 'tidemark.daemon.forgetPassword')] : []),
    choice(vscode.l10n.t('Open Settings'), 'settings-gear', 'tidemark.settings.open'),
    choice(vscode.l10n.t('Report Issue…'), 'report', 'tidemark.issue.report'),
  ];
}
