/**
 * Notifications of runs: progress with Cancel, and one message at the end. Only for runs that this window started: scheduled
 * runs and those of other windows show in the Runs view and on its badge.
 */
import * as vscode from 'vscode';

import type { RunInfo } from '../../server/protocol/daemon.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import { runCommand } from '../commands/registry.ts';
import { hasEnded } from '../stores/run-order.ts';
import type { Action } from '../ui/notify.ts';
import { readSetting } from '../ui/settings.ts';
import { endMessage, notificationText } from './activity-model.ts';

/** How long a notification stays when nothing is heard of its run any more: the run was forgotten by its daemon, ms. */
const forgottenMs = 60_000;

export class RunNotifications {
  readonly #app: App;
  /** Runs with a notification, each with what ends it. */
  readonly #shown = new Map<RunId, (run: RunInfo) => void>();

  constructor(app: App) {
    this.#app = app;
    const { runs } = app.stores;
    app.own(runs.onDidChange(({ changed }) => changed.forEach((run) => this.#changed(run))));
    app.own(runs.onDidEnd((run) => this.#ended(run)));
  }

  #changed(run: RunInfo): void {
    if (!this.#app.stores.runs.startedHere(run.id) || hasEnded(run)) return;
    const update = this.#shown.get(run.id);
    if (update !== undefined) update(run);
    else if (readSetting('tidemark.runs.progressNotification')) this.#show(run);
  }

  /** VS Code's own × hides the notification; Cancel, its only button, cancels the run. */
  #show(first: RunInfo): void {
    const { id, title } = first;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    const shown = vscode.window.withProgress(options, async (progress, token) => {
      let percent = 0;
      let timer: NodeJS.Timeout | undefined;
      const update = (run: RunInfo): void => {
        clearTimeout(timer);
        if (hasEnded(run)) {
          resolve();
          return;
        }
        timer = setTimeout(resolve, forgottenMs);
        const text = notificationText(run);
        progress.report({ message: text.message, increment: Math.max(0, text.percent - percent) });
        percent = Math.max(percent, text.percent);
      };
      this.#shown.set(id, update);
      update(first);
      const cancelled = token.onCancellationRequested(() => {
        // The dialog is gone; the Runs view shows how the run ends.
        resolve();
        runCommand('tidemark.run.cancel', { runId: id }).then(undefined, (error: unknown) =>
          this.#app.errors.report('cancel run', error),
        );
      });
      try {
        await ended;
      } finally {
        clearTimeout(timer);
        cancelled.dispose();
      }
    });
    shown.then(undefined, (error: unknown) => this.#app.logs.warn('a progress notification failed', error));
  }

  #ended(run: RunInfo): void {
    this.#shown.get(run.id)?.(run);
    this.#shown.delete(run.id);
    if (!this.#app.stores.runs.startedHere(run.id)) return;
    const wanted = readSetting('tidemark.runs.notifyOnEnd');
    const end = endMessage(run);
    if (end === undefined || wanted === 'never' || (wanted === 'problems' && end.severity === 'info')) return;
    const actions: Action[] = [
      { title: vscode.l10n.t('Show Run'), run: async () => runCommand('tidemark.run.show', { runId: run.id }) },
    ];
    if (end.severity === 'error') {
      actions.push({
        title: vscode.l10n.t('Show Log'),
        run: async () => runCommand('tidemark.run.showLog', { runId: run.id }),
      });
    }
    this.#app.notify[end.severity](end.message, { actions }).then(undefined, (error: unknown) =>
      this.#app.logs.warn('the end of a run was not shown', error),
    );
  }
}
