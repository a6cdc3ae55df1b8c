/** `Show Run`: opens the page of a run. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { askRun } from '../commands/ask/ask-run.ts';
import { RunPages } from './run-pages.ts';

/** Registers the command. */
export function registerRunPage(app: App): void {
  const pages = app.own(new RunPages(app));
  app.own(
    app.commands.register({
      'tidemark.run.show': async (target) =>
        pages.show((target ?? (await askRun(app, { title: vscode.l10n.t('Show Run') }))).runId),
    }),
  );
}
