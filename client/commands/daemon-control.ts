/** Starting and stopping the daemon. Runs belong to it: they are never cancelled without asking. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { forgetRemoteDaemon } from '../daemon-control.ts';
import { withProgress } from '../ui/progress.ts';
import { readSetting } from '../ui/settings.ts';
import type { CommandHandler } from './registry.ts';

/** How long a word about success stays in the status bar, ms. */
const statusMs = 5000;

export function startDaemon(app: App): CommandHandler<'tidemark.daemon.start'> {
  return async () => {
    const title = vscode.l10n.t('Starting the Tidemark daemon…');
    await withProgress({ title, place: 'window' }, async () => app.daemon.start());
    say(vscode.l10n.t('The Tidemark daemon is running.'));
  };
}

export function stopDaemon(app: App): CommandHandler<'tidemark.daemon.stop'> {
  return async () => {
    const title = vscode.l10n.t('Stopping the Tidemark daemon…');
    await confirmRemote(app, vscode.l10n.t('Stop'));
    await unlessBusy(app, vscode.l10n.t('Cancel Runs and Stop'), async (cancelRuns) =>
      withProgress({ title, place: 'window' }, async () => app.daemon.stop(cancelRuns)),
    );
    say(vscode.l10n.t('The Tidemark daemon has stopped.'));
  };
}

export function restartDaemon(app: App): CommandHandler<'tidemark.daemon.restart'> {
  return async () => {
    const title = vscode.l10n.t('Restarting the Tidemark daemon…');
    if (app.daemon.state.kind === 'connected') await confirmRemote(app, vscode.l10n.t('Restart'));
    await unlessBusy(app, vscode.l10n.t('Cancel Runs and Restart'), async (cancelRuns) =>
      withProgress({ title, place: 'window' }, async () => app.daemon.restart(cancelRuns)),
    );
    say(vscode.l10n.t('The Tidemark daemon is running.'));
  };
}

export function forgetPassword(app: App): CommandHandler<'tidemark.daemon.forgetPassword'> {
  return async () => {
    await forgetRemoteDaemon(app.extension);
    await app.daemon.disconnect();
    await app.daemon.start();
  };
}

/** A daemon on another machine may be everybody's, and nothing here can start it again. */
async function confirmRemote({ notify }: App, confirm: string): Promise<void> {
  const address = readSetting('tidemark.daemon.address');
  if (address === '') return;
  await notify.confirm({
    message: vscode.l10n.t('Stop the daemon at {0}?', address),
    detail: vscode.l10n.t(
      'It cannot be started from here: only on its machine, by hand or by what watches it there. Until then nobody backs up with it.',
    ),
    confirm,
  });
}

/** The daemon itself knows whether runs are active: asked only then. */
async function unlessBusy(app: App, confirm: string, work: (cancelRuns: boolean) => Promise<void>): Promise<void> {
  try {
    await work(false);
  } catch (error) {
    if (!TidemarkError.is(error, errorCodes.daemonBusy)) throw error;
    const active = app.stores.runs.active.map(({ title }) => title);
    await app.notify.confirm({
      message: vscode.l10n.t('Runs are active. Cancel them?'),
      detail: [
        vscode.l10n.t('What they did so far is undone; earlier restore points stay.'),
        ...(active.length === 0 ? [] : ['', ...active.slice(0, 10)]),
      ].join('\n'),
      confirm,
    });
    await work(true);
  }
}

function say(text: string): void {
  vscode.window.setStatusBarMessage(text, statusMs);
}
