/** `tidemark.repository.collectGarbage`: says what would go, and takes it away when the user agrees. */
import { setTimeout as sleep } from 'node:timers/promises';

import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { RunInfo } from '../../server/protocol/daemon.ts';
import { errorCodes, errorFromReport, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { hasEnded } from '../stores/index.ts';
import { withProgress } from '../ui/progress.ts';
import { askRepository } from './ask/ask-repository.ts';
import { planText } from './flows/garbage-plan.ts';
import type { GarbagePlan } from './flows/garbage-plan.ts';
import type { CommandHandler } from './registry.ts';

/** How often a plan that is being made is asked after, ms. */
const pollMs = 300;

export function collectGarbage(app: App): CommandHandler<'tidemark.repository.collectGarbage'> {
  return async (target) => {
    const title = vscode.l10n.t('Collect Garbage');
    const repository = target?.repository ?? (await askRepository(app, { title }));
    const plan = await plannedCollection(app, repository);
    const text = planText(plan);
    if (text === undefined) {
      void app.notify.info(vscode.l10n.t('Repository {0} holds nothing that is not needed.', repository));
      return;
    }
    await app.notify.confirm({
      message: vscode.l10n.t('Collect the garbage of repository {0}?', repository),
      detail: text,
      confirm: vscode.l10n.t('Collect'),
    });
    await app.stores.runs.start({ kind: 'gc', repository, dryRun: false, now: false });
  };
}

/** A dry run, waited for. Not one of this window's runs: its end is told by the question that follows. */
async function plannedCollection({ daemon: link }: App, repository: string): Promise<GarbagePlan> {
  const title = vscode.l10n.t('Looking for what repository {0} does not need…', repository);
  return withProgress({ title, place: 'notification', cancellable: true }, async (signal) => {
    const request = { kind: 'gc', repository, dryRun: true, now: false } as const;
    let { run } = await link.request(daemon.startRun, { request, key: crypto.randomUUID() });
    try {
      while (!hasEnded(run)) {
        await sleep(pollMs, undefined, { signal });
        ({ run } = await link.request(daemon.getRun, { id: run.id }, { signal }));
      }
    } catch (error) {
      if (signal.aborted) await link.request(daemon.cancelRun, { id: run.id });
      throw error;
    }
    return planOf(run);
  });
}

function planOf({ outcome, error }: RunInfo): GarbagePlan {
  if (outcome?.kind === 'gc') return outcome;
  if (error !== undefined) throw errorFromReport(error);
  throw new TidemarkError(errorCodes.cancelled, vscode.l10n.t('The plan was cancelled.'));
}
