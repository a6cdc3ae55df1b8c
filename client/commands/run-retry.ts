/** `tidemark.run.retry`: starts the same run again. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { pickRun } from './ask/ask-run.ts';
import { replacesFile } from './flows/run-again.ts';
import type { CommandHandler } from './registry.ts';

export function retryRun(app: App): CommandHandler<'tidemark.run.retry'> {
  return async (target) => {
    const title = vscode.l10n.t('Run Again');
    const { runId: id } = target ?? (await pickRun(app, 'ended', { title }));
    const { request } = app.stores.runs.run(id) ?? (await app.daemon.request(daemon.getRun, { id })).run;
    const replaced = replacesFile(request);
    if (replaced !== undefined) {
      await app.notify.confirm({
        message: vscode.l10n.t('Replace {0}?', replaced),
        detail: vscode.l10n.t('The run replaces this file if it is there.'),
        confirm: vscode.l10n.t('Replace'),
      });
    }
    await app.stores.runs.start(request);
  };
}
