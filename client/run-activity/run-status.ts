/** Keeps the status bar item: shown while anything runs, and when the daemon is gone. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { statusContent } from './activity-model.ts';

/** Registers the item. Nothing is shown before there is something to say. */
export function registerRunStatus({ daemon, stores, statusBar, own }: App): void {
  const show = (): void => {
    const content = statusContent(daemon.state, stores.runs.active);
    if (content === undefined) {
      statusBar.hide();
      return;
    }
    const { text, accessibleText, tooltip, problem, run } = content;
    statusBar.show({
      text,
      accessibleText,
      tooltip: new vscode.MarkdownString(tooltip),
      problem,
      command:
        run === undefined
          ? { id: stores.runs.active.length > 0 ? 'tidemark.runs.focus' : 'tidemark.daemon.status' }
          : { id: 'tidemark.run.show', target: { runId: run.id } },
    });
  };
  own(daemon.onDidChangeState(show));
  own(stores.runs.onDidChange(show));
}
