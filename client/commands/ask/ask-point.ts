/** Asks which restore point: of which VM, then from when. */
import * as vscode from 'vscode';

import * as daemon from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { VmId } from '../../../server/protocol/ids.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import type { App } from '../../app.ts';
import type { RestorePointTarget } from '../../targets.ts';
import { pickOne } from '../../ui/pick.ts';
import type { Choice, Step, StepOptions } from '../../ui/pick.ts';
import { ageText, pointsText, timeText } from '../../views/tree/texts.ts';
import { vmsWithPoints } from '../flows/point-vms.ts';
import type { VmWithPoints } from '../flows/point-vms.ts';
import { knownRepositories } from './ask-repository.ts';

/** What is known before anything is asked. */
export interface PointContext {
  readonly title: string;
  readonly target?: RestorePointTarget | undefined;
  /** Only restore points of this VM. */
  readonly vmId?: VmId | undefined;
}

/** A restore point that is chosen step by step. */
export class PointChoice {
  readonly #app: App;
  readonly #context: PointContext;
  #vmId: VmId | undefined;
  #point: RestorePointInfo | undefined;

  constructor(app: App, context: PointContext) {
    this.#app = app;
    this.#context = context;
    this.#vmId = context.vmId;
  }

  /** The answer, once the steps have run. */
  get point(): RestorePointInfo {
    if (this.#point === undefined) throw new vscode.CancellationError();
    return this.#point;
  }

  readonly steps: readonly Step[] = [
    async (back) => {
      if (this.#context.target !== undefined || this.#context.vmId !== undefined) return false;
      this.#vmId = await pickOne<VmId>({
        title: this.#context.title,
        back,
        placeholder: vscode.l10n.t('Which VM was backed up'),
        choices: async (signal) => vmChoices(this.#app, signal),
      });
      return true;
    },
    async (back) => {
      const { target } = this.#context;
      if (target !== undefined) {
        this.#point = await readPoint(this.#app, target);
        return false;
      }
      this.#point = await askPointOf(this.#app, this.#vmId, { title: this.#context.title, back });
      return true;
    },
  ];
}

/** All that is known of a restore point. Throws `TM4011` when it is gone. */
export async function readPoint(
  { daemon: link, stores }: App,
  { restorePointId: id, repository }: RestorePointTarget,
): Promise<RestorePointInfo> {
  const known = stores.restorePoints.point(id);
  if (known !== undefined) return known;
  return (await link.request(daemon.getRestorePoint, { id, repository })).restorePoint;
}

/** Asks for a restore point of a VM, newest first, a page at a time. */
async function askPointOf(app: App, vmId: VmId | undefined, question: StepOptions): Promise<RestorePointInfo> {
  const { restorePoints } = app.stores;
  const query = { vmId };
  for (;;) {
    const chosen = await pickOne<RestorePointInfo | undefined>({
      ...question,
      placeholder: vscode.l10n.t('From when'),
      choices: async (signal) => {
        await restorePoints.load(query, { signal });
        const { value, error } = restorePoints.list(query);
        if (value.points.length === 0) throw error ?? noPoints();
        const older: Choice<undefined> = {
          label: vscode.l10n.t('Older Restore Points…'),
          description: vscode.l10n.t('{0} of {1} shown', value.points.length, value.total),
          iconPath: new vscode.ThemeIcon('ellipsis'),
          alwaysShow: true,
          value: undefined,
        };
        const now = Date.now();
        return [...value.points.map((point) => pointChoice(point, now)), ...(value.hasMore ? [older] : [])];
      },
    });
    if (chosen !== undefined) return chosen;
    await restorePoints.loadMore(query);
  }
}

async function vmChoices(app: App, signal: AbortSignal): Promise<readonly Choice<VmId>[]> {
  const { restorePoints } = app.stores;
  const names = (await knownRepositories(app)).map(({ name }) => name);
  await Promise.all(names.map(async (name) => restorePoints.loadSummary(name, { signal })));
  const summaries = names.map((name) => restorePoints.summary(name));
  const vms = vmsWithPoints(summaries.map(({ value }) => value));
  if (vms.length > 0) return vms.map((vm) => vmChoice(vm, Date.now()));
  throw summaries.map(({ error }) => error).find((error) => error !== undefined) ?? noPoints();
}

function noPoints(): TidemarkError {
  return new TidemarkError(errorCodes.restorePointNotFound, vscode.l10n.t('There is no restore point yet.'), {
    hint: vscode.l10n.t('Back up a VM first.'),
  });
}

function vmChoice({ vmId, vmName, count, newestAt }: VmWithPoints, now: number): Choice<VmId> {
  return {
    label: vmName,
    description: `${pointsText(count)} · ${vscode.l10n.t('last backup {0}', ageText(newestAt, now))}`,
    iconPath: new vscode.ThemeIcon('vm'),
    value: vmId,
  };
}

function pointChoice(point: RestorePointInfo, now: number): Choice<RestorePointInfo> {
  const type = point.type === 'full' ? vscode.l10n.t('full') : vscode.l10n.t('incremental');
  return {
    label: timeText(point.createdAt),
    description: [ageText(point.createdAt, now), type, point.repository].join(' · '),
    iconPath: new vscode.ThemeIcon(point.warnings.length > 0 ? 'warning' : 'history'),
    value: point,
  };
}
