/** `tidemark.run.showLog`: the log of a run as a read-only document that grows while the run goes on. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { pickRun } from './ask/ask-run.ts';
import type { CommandHandler } from './registry.ts';
import { RunLogDocuments } from './run-log-documents.ts';

export function showRunLog(app: App): CommandHandler<'tidemark.run.showLog'> {
  const documents = app.own(new RunLogDocuments(app));
  return async (target) => {
    const title = vscode.l10n.t('Show Run Log');
    const { runId } = target ?? (await pickRun(app, 'all', { title }));
    await documents.show(runId);
    app.views.runs.markSeen();
  };
}
