/** Asks which run. */
import * as vscode from 'vscode';

import type { RunInfo } from '../../../server/protocol/daemon.ts';
import type { App } from '../../app.ts';
import { hasEnded } from '../../stores/index.ts';
import type { RunTarget } from '../../targets.ts';
import { pickMany, pickOne } from '../../ui/pick.ts';
import type { Choice, StepOptions } from '../../ui/pick.ts';
import { kindText, stateText } from '../../views/runs/run-texts.ts';
import { ageText } from '../../views/tree/texts.ts';

/** Which runs to offer. */
export type RunFilter = 'all' | 'active' | 'ended';

/** Asks for one run, the newest first. Throws as `pickOne`; says so when there is none. */
export async function pickRun(app: App, filter: RunFilter = 'all', question?: StepOptions): Promise<RunTarget> {
  return pickOne({ ...(question ?? showQuestion()), choices: async (signal) => runChoices(app, filter, signal) });
}

/** Asks for some runs. Throws as `pickMany`; says so when there is none. */
export async function pickRuns(app: App, filter: RunFilter, question: StepOptions): Promise<readonly RunTarget[]> {
  return pickMany({ ...question, choices: async (signal) => runChoices(app, filter, signal) });
}

const showQuestion = (): StepOptions => ({
  title: vscode.l10n.t('Show Run'),
  placeholder: vscode.l10n.t('Which run'),
});

async function runChoices(app: App, filter: RunFilter, signal: AbortSignal): Promise<readonly Choice<RunTarget>[]> {
  const { runs } = app.stores;
  await runs.load({ signal });
  const found = runs.runs.value.filter((run) => filter === 'all' || hasEnded(run) === (filter === 'ended'));
  if (found.length > 0) return found.map((run) => runChoice(run, Date.now()));
  if (runs.runs.error !== undefined) throw runs.runs.error;
  // Nothing is wrong: there is nothing to choose.
  void app.notify.info(
    filter === 'active' ? vscode.l10n.t('No run is active.') : vscode.l10n.t('Nothing has run yet.'),
  );
  throw new vscode.CancellationError();
}

const icons: Readonly<Record<RunInfo['state'], string>> = {
  queued: 'clock',
  running: 'sync',
  cancelling: 'sync',
  succeeded: 'pass',
  failed: 'error',
  cancelled: 'circle-slash',
  interrupted: 'warning',
};

function runChoice(run: RunInfo, now: number): Choice<RunTarget> {
  const when = ageText(run.finishedAt ?? run.startedAt ?? run.queuedAt, now);
  return {
    label: run.title,
    description: [kindText(run.request), stateText(run.state), when].join(' · '),
    ...(run.error === undefined ? {} : { detail: run.error.message }),
    iconPath: new vscode.ThemeIcon(icons[run.state]),
    value: { runId: run.id },
  };
}
