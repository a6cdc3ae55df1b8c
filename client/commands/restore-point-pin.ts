/** `tidemark.restorePoint.pin` and `tidemark.restorePoint.unpin`: a pinned restore point is never deleted. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import type { RestorePointTarget } from '../targets.ts';
import { askText, runSteps } from '../ui/pick.ts';
import { PointChoice } from './ask/ask-point.ts';
import { who } from './flows/who.ts';
import type { CommandHandler } from './registry.ts';

/** A repository on a share may sleep, ms. */
const timeoutMs = 120_000;

export function pinPoints(app: App): CommandHandler<'tidemark.restorePoint.pin'> {
  return async (_, selection) => {
    const title = vscode.l10n.t('Pin Restore Point');
    const points = await chosen(app, selection, title);
    const note = await askText({
      title,
      placeholder: vscode.l10n.t('for example: before the migration'),
      prompt: vscode.l10n.t('Why it is kept, for whoever asks later. It may stay empty.'),
      validate: (text) => (text.length <= 1024 ? undefined : vscode.l10n.t('At most 1024 characters.')),
    });
    await setPins(app, points, true, note.trim());
  };
}

export function unpinPoints(app: App): CommandHandler<'tidemark.restorePoint.unpin'> {
  return async (_, selection) =>
    setPins(app, await chosen(app, selection, vscode.l10n.t('Unpin Restore Point')), false, '');
}

async function chosen(
  app: App,
  selection: readonly RestorePointTarget[],
  title: string,
): Promise<readonly RestorePointTarget[]> {
  if (selection.length > 0) return selection;
  const choice = new PointChoice(app, { title });
  await runSteps(choice.steps);
  return [{ restorePointId: choice.point.id, repository: choice.point.repository }];
}

async function setPins(app: App, points: readonly RestorePointTarget[], pinned: boolean, note: string): Promise<void> {
  try {
    for (const { restorePointId: id, repository } of points) {
      const params = { id, repository, pinned, by: who(), ...(note === '' ? {} : { note }) };
      await app.daemon.request(daemon.pinRestorePoint, params, { timeoutMs });
    }
  } finally {
    for (const repository of new Set(points.map((point) => point.repository)))
      app.stores.restorePoints.expire(repository);
  }
}
