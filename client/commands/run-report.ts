/** `tidemark.run.showReport`: what a run did, as a page. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { MarkdownPages } from '../ui/markdown-pages.ts';
import { pickRun } from './ask/ask-run.ts';
import type { CommandHandler } from './registry.ts';

export function showReport(app: App): CommandHandler<'tidemark.run.showReport'> {
  const missing = (): string => vscode.l10n.t('Show the report of the run again to read it.');
  const pages = app.own(new MarkdownPages('tidemark-report', missing));
  return async (target) => {
    const title = vscode.l10n.t('Show Run Report');
    const { runId: id } = target ?? (await pickRun(app, 'ended', { title }));
    const { report, markdown } = await app.daemon.request(daemon.getRunReport, { id });
    const name = report.run.request.kind === 'policy' ? report.run.request.policy : id;
    await pages.show(vscode.l10n.t('Report of {0}', `${name} ${id.slice(-6)}`), markdown);
    app.views.runs.markSeen();
  };
}
