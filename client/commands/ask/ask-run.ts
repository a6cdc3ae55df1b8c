/** Asks which run. */
import * as vscode from 'vscode';

import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { App } from '../../app.ts';
import type { RunTarget } from '../../targets.ts';
import { pickOne } from '../../ui/pick.ts';
import type { Choice, StepOptions } from '../../ui/pick.ts';
import { progressText, stateText } from '../../views/runs/run-texts.ts';
import { ageText } from '../../views/tree/texts.ts';
import { hasEnded } from '../../stores/run-order.ts';

interface RunQuestion extends StepOptions {
  /** Which runs are offered; all when absent. */
  readonly only?: ((run: RunInfo) => boolean) | undefined;
  /** Why there is nothing to choose. */
  readonly none?: string | undefined;
}

/** Asks for one run, the newest first. Throws as `pickOne`, and `TM5101` when there is none. */
export async function askRun(app: App, question: RunQuestion): Promise<RunTarget> {
  return pickOne({
    ...question,
    choices: async (signal) => {
      const { runs } = app.stores;
      await runs.load({ signal });
      if (runs.runs.error !== undefined && runs.runs.value.length === 0) throw runs.runs.error;
      const found = runs.runs.value.filter((run) => question.only?.(run) ?? true);
      if (found.length > 0) return found.map((run) => runChoice(run, Date.now()));
      throw new TidemarkError(errorCodes.runNotFound, question.none ?? vscode.l10n.t('There are no runs yet.'));
    },
  });
}

function runChoice(run: RunInfo, now: number): Choice<RunTarget> {
  const when = ageText(run.finishedAt ?? run.queuedAt, now);
  const description = hasEnded(run) ? `${stateText(run.state)} · ${when}` : progressText(run.progress);
  return { label: run.title, description, iconPath: new vscode.ThemeIcon('pulse'), value: { runId: run.id } };
}
