/**
 * Notifications of runs: progress with Cancel, and one message at the end. Only for runs that this window started: scheduled
 * runs and those of other windows show in the Runs view and on its badge.
 */
import * as vscode from 'vscode';

import type { RunInfo } from '../../server/protocol/daemon.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import { withoutLinks } from '../base/plain-text.ts';
import { runCommand } from '../commands/registry.ts';
import type { CommandId } from '../contributions.ts';
import { hasEnded } from '../stores/run-order.ts';
import type { Action } from '../ui/notify.ts';
import { readSetting } from '../ui/settings.ts';
import { endMessage, notificationText } from './activity-model.ts';

/** How often it is looked whether a run of which nothing is heard is still known, ms. */
const silentMs = 60_000;
/** Text changes at most so often, so that its link can be hit, ms. */
const everyMs = 1000;

/** Several VMs are backed up at once: more notifications than this hide what is below them, and the Runs view shows every run. */
const maxShown = 3;

/** A notification of a run under way. */
interface Shown {
  update(run: RunInfo): void;
  hide(): void;
}

export class RunNotifications {
  readonly #app: App;
  /** Runs with a notification; one that was hidden stays hidden. */
  readonly #shown = new Map<RunId, Shown>();
  /** How many are to be seen. */
  #visible = 0;

  constructor(app: App) {
    this.#app = app;
    const { runs } = app.stores;
    app.own(runs.onDidChange(({ changed }) => changed.forEach((run) => this.#changed(run))));
    app.own(runs.onDidEnd((run) => this.#ended(run)));
  }

  /** Takes the notification of a run away; the run goes on. */
  hide(id: RunId): void {
    this.#shown.get(id)?.hide();
  }

  #changed(run: RunInfo): void {
    if (!this.#app.stores.runs.startedHere(run.id) || hasEnded(run)) return;
    const shown = this.#shown.get(run.id);
    if (shown !== undefined) shown.update(run);
    else if (this.#visible < maxShown && readSetting('tidemark.runs.progressNotification')) this.#show(run);
  }

  /** Cancel, its button, cancels the run. Hide is a link in its text: VS Code gives a notification with progress no × of its own. */
  #show(first: RunInfo): void {
    const { id, title } = first;
    const { promise: over, resolve: hide } = Promise.withResolvers<void>();
    this.#visible++;
    const options = { location: vscode.ProgressLocation.Notification, title: withoutLinks(title), cancellable: true };
    const shown = vscode.window.withProgress(options, async (progress, token) => {
      let percent = 0;
      let latest = first;
      let timer: NodeJS.Timeout | undefined;
      const report = (): void => {
        timer = undefined;
        const text = notificationText(latest);
        const message = `${withoutLinks(text.message)} ${hideLink(id)}`;
        progress.report({ message, increment: Math.max(0, text.percent - percent) });
        percent = Math.max(percent, text.percent);
      };
      const update = (run: RunInfo): void => {
        latest = run;
        timer ??= setTimeout(report, everyMs);
      };
      this.#shown.set(id, { update, hide });
      report();
      const silence = setInterval(() => (this.#isKnown(id) ? undefined : hide()), silentMs);
      const cancelled = token.onCancellationRequested(() => {
        // The dialog is gone; the Runs view shows how the run ends.
        hide();
        runCommand('tidemark.run.cancel', { runId: id }).then(undefined, (error: unknown) =>
          this.#app.errors.report('cancel run', error),
        );
      });
      try {
        await over;
      } finally {
        clearInterval(silence);
        clearTimeout(timer);
        cancelled.dispose();
      }
    });
    Promise.resolve(shown)
      .finally(() => this.#visible--)
      .catch((error: unknown) => this.#app.logs.warn('a progress notification failed', error));
  }

  /** Whether the daemon, which must be there, still tells of this run. A run may wait for hours without anything to tell. */
  #isKnown(id: RunId): boolean {
    const { runs } = this.#app.stores;
    return !runs.runs.stale && runs.run(id) !== undefined;
  }

  #ended(run: RunInfo): void {
    this.#shown.get(run.id)?.hide();
    this.#shown.delete(run.id);
    if (!this.#app.stores.runs.startedHere(run.id)) return;
    const wanted = readSetting('tidemark.runs.notifyOnEnd');
    const end = endMessage(run);
    if (end === undefined || wanted === 'never' || (wanted === 'problems' && end.severity === 'info')) return;
    const actions: Action[] = [
      { title: vscode.l10n.t('Show Run'), run: async () => runCommand('tidemark.run.show', { runId: run.id }) },
    ];
    if (end.severity === 'error') actions.push(whyAction(run));
    this.#app.notify[end.severity](end.message, { actions }).then(undefined, (error: unknown) =>
      this.#app.logs.warn('the end of a run was not shown', error),
    );
  }
}

/** Where it says why: the report of a policy's run has the reasons of all its VMs, the log of any other run its own. */
function whyAction({ id: runId, request }: RunInfo): Action {
  return request.kind === 'policy'
    ? { title: vscode.l10n.t('Show Report'), run: async () => runCommand('tidemark.run.showReport', { runId }) }
    : { title: vscode.l10n.t('Show Log'), run: async () => runCommand('tidemark.run.showLog', { runId }) };
}

/** VS Code runs the command of a link in a message. */
function hideLink(runId: RunId): string {
  const id: CommandId = 'tidemark.run.hideProgress';
  return `[${vscode.l10n.t('Hide')}](command:${id}?${encodeURIComponent(JSON.stringify([{ runId }]))})`;
}
