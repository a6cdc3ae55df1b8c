/** `tidemark.restorePoint.delete`: one or several, named before they go. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { RestorePointInfo } from '../../server/protocol/model.ts';
import type { App } from '../app.ts';
import type { RestorePointTarget } from '../targets.ts';
import { runSteps } from '../ui/pick.ts';
import { withProgress } from '../ui/progress.ts';
import { PointChoice, readPoint } from './ask/ask-point.ts';
import { deletionQuestion } from './flows/point-deletion.ts';
import type { CommandHandler } from './registry.ts';

/** A repository on a share may sleep, ms. */
const timeoutMs = 120_000;

export function deletePoints(app: App): CommandHandler<'tidemark.restorePoint.delete'> {
  return async (_, selection) => {
    const points = selection.length > 0 ? await readPoints(app, selection) : [await askPoint(app)];
    await app.notify.confirm({ ...deletionQuestion(points), confirm: vscode.l10n.t('Delete') });
    const title = vscode.l10n.t('Deleting restore points…');
    try {
      await withProgress({ title, place: { viewId: 'tidemark.repositories' } }, async () => {
        for (const { id, repository } of points) {
          await app.daemon.request(daemon.deleteRestorePoint, { id, repository }, { timeoutMs });
        }
      });
    } finally {
      for (const repository of new Set(points.map((point) => point.repository))) {
        app.stores.restorePoints.expire(repository);
        app.stores.repositories.expire(repository);
      }
    }
  };
}

async function readPoints(app: App, targets: readonly RestorePointTarget[]): Promise<readonly RestorePointInfo[]> {
  const distinct = new Map(targets.map((target) => [`${target.repository}/${target.restorePointId}`, target]));
  return Promise.all([...distinct.values()].map(async (target) => readPoint(app, target)));
}

async function askPoint(app: App): Promise<RestorePointInfo> {
  const choice = new PointChoice(app, { title: vscode.l10n.t('Delete Restore Point') });
  await runSteps(choice.steps);
  return choice.point;
}
