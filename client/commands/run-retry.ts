/** `tidemark.run.retry`: starts the same run again. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { pickRun } from './ask/ask-run.ts';
import { questionBefore } from './flows/run-again.ts';
import type { CommandHandler } from './registry.ts';

export function retryRun(app: App): CommandHandler<'tidemark.run.retry'> {
  return async (target) => {
    const title = vscode.l10n.t('Run Again');
    const { runId: id } = target ?? (await pickRun(app, 'ended', { title }));
    const { request } = app.stores.runs.run(id) ?? (await app.daemon.request(daemon.getRun, { id })).run;
    const question = questionBefore(request);
    if (question !== undefined) await app.notify.confirm(question);
    if (request.kind === 'policy') await app.stores.runs.startPolicy(request.policy, request.type);
    else await app.stores.runs.start(request);
  };
}
