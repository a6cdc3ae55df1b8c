/** `tidemark.restorePoint.restoreVm` and `tidemark.vm.restore`: restore point, host, name, network, confirmation. */
import * as vscode from 'vscode';

import type { RestorePointInfo } from '../../server/protocol/model.ts';
import type { App } from '../app.ts';
import { askText, pickOne, runSteps } from '../ui/pick.ts';
import { readSetting } from '../ui/settings.ts';
import { timeText } from '../views/tree/texts.ts';
import { askHost } from './ask/ask-host.ts';
import { PointChoice } from './ask/ask-point.ts';
import type { PointContext } from './ask/ask-point.ts';
import { proposedHost, restoredVmName, vmNameProblem } from './flows/restore-options.ts';
import type { CommandHandler } from './registry.ts';

/** From a restore point. */
export function restoreVm(app: App): CommandHandler<'tidemark.restorePoint.restoreVm'> {
  return async (target) => restore(app, { title: vscode.l10n.t('Restore VM'), target });
}

/** From a VM: one of its restore points. */
export function restoreFromVm(app: App): CommandHandler<'tidemark.vm.restore'> {
  return async (target) => {
    const title = target === undefined ? vscode.l10n.t('Restore VM') : vscode.l10n.t('Restore {0}', target.vmName);
    await restore(app, { title, vmId: target?.vmId });
  };
}

interface VmRestore {
  readonly point: RestorePointInfo;
  readonly host: string;
  readonly name: string;
  readonly connectNetwork: boolean;
}

async function restore(app: App, context: PointContext): Promise<void> {
  const { title } = context;
  const choice = new PointChoice(app, context);
  let host: string | undefined;
  let name = '';
  let connectNetwork = readSetting('tidemark.restore.connectNetwork');
  await runSteps([
    ...choice.steps,
    async (back) => {
      host = await askHost(app, {
        title,
        back,
        placeholder: vscode.l10n.t('Host to restore {0} on', choice.point.vmName),
        selected: (hosts) => host ?? proposedHost(choice.point, hosts),
      });
      await app.stores.vms.load(host);
      name = restoredVmName(choice.point.vmName, vmNames(app, host));
    },
    async (back) => {
      const taken = host === undefined ? [] : vmNames(app, host);
      const text = await askText({
        title,
        back,
        value: name,
        prompt: vscode.l10n.t('Name of the restored VM. It is a new VM: the one that was backed up is left alone.'),
        validate: (value) => vmNameProblem(value, taken),
      });
      name = text.trim();
    },
    async (back) => {
      connectNetwork = await askNetwork(title, back, connectNetwork);
    },
    async () => {
      if (host !== undefined) await confirmAndStart(app, { point: choice.point, host, name, connectNetwork });
    },
  ]);
}

function vmNames({ stores }: App, host: string): readonly string[] {
  return stores.vms.vms(host).value.map(({ vm }) => vm.name);
}

async function askNetwork(title: string, back: boolean, selected: boolean): Promise<boolean> {
  return pickOne({
    title,
    back,
    placeholder: vscode.l10n.t('Network adapters of the restored VM'),
    choices: [
      {
        label: vscode.l10n.t('Not connected'),
        detail: vscode.l10n.t(
          'Safe while the original runs: two machines with one name and address disturb each other.',
        ),
        iconPath: new vscode.ThemeIcon('debug-disconnect'),
        value: false,
      },
      {
        label: vscode.l10n.t('Connected as they were'),
        detail: vscode.l10n.t('For a VM that replaces the original.'),
        iconPath: new vscode.ThemeIcon('plug'),
        value: true,
      },
    ],
    selected: (value) => value === selected,
  });
}

async function confirmAndStart(app: App, { point, host, name, connectNetwork }: VmRestore): Promise<void> {
  const network = connectNetwork
    ? vscode.l10n.t('Its network adapters are connected as they were.')
    : vscode.l10n.t('Its network adapters are not connected.');
  const source = vscode.l10n.t('{0} as of {1}, from {2}.', point.vmName, timeText(point.createdAt), point.repository);
  await app.notify.confirm({
    message: vscode.l10n.t('Restore {0} on {1}?', name, host),
    detail: [source, network, vscode.l10n.t('It is made as a new VM and is not started.')].join('\n'),
    confirm: vscode.l10n.t('Restore'),
  });
  const { id: restorePoint, repository } = point;
  await app.stores.runs.start({ kind: 'restore-vm', repository, restorePoint, host, name, connectNetwork });
}
