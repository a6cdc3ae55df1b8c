/** `tidemark.run.cancel`: asks runs to stop. They clean up first, and the Runs view shows when they have. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { hasEnded } from '../stores/index.ts';
import { pickRuns } from './ask/ask-run.ts';
import type { CommandHandler } from './registry.ts';

export function cancelRun(app: App): CommandHandler<'tidemark.run.cancel'> {
  return async (_, selection) => {
    const { runs } = app.stores;
    const title = vscode.l10n.t('Cancel Run');
    const placeholder = vscode.l10n.t('Which runs to cancel');
    const chosen = selection.length > 0 ? selection : await pickRuns(app, 'active', { title, placeholder });
    const active = chosen.filter(({ runId }) => {
      const run = runs.run(runId);
      return run === undefined || !hasEnded(run);
    });
    await Promise.all(active.map(async ({ runId }) => runs.cancel(runId)));
    if (active.length === 0) void app.notify.info(vscode.l10n.t('The run has ended already.'));
  };
}
