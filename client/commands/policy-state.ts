/** `tidemark.policy.pause`, `tidemark.policy.resume` and `tidemark.policy.delete`: whether the daemon carries a policy out. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import type { PolicyTarget } from '../targets.ts';
import { pickOne } from '../ui/pick.ts';
import { namesText } from '../views/tree/texts.ts';
import { askAppliedPolicy } from './ask/ask-policy.ts';
import type { CarriedPolicy } from './ask/ask-policy.ts';
import { pauseChoices } from './flows/pause-choices.ts';
import { who } from './flows/who.ts';
import type { CommandHandler } from './registry.ts';

export function pausePolicy(app: App): CommandHandler<'tidemark.policy.pause'> {
  return async (target, selection) => {
    const title = vscode.l10n.t('Pause Policy');
    const policies = await chosen(app, target, selection, title);
    const until = await pickOne<string | undefined>({
      title: policies.length === 1 ? `${title}: ${policies[0]?.name ?? ''}` : title,
      placeholder: vscode.l10n.t('For how long nothing is started by schedule'),
      choices: pauseChoices(Date.now()).map(({ label, until: value }) => ({ label, value })),
    });
    for (const { applied } of policies) {
      const { policy } = await app.daemon.request(daemon.pausePolicy, { name: applied.name, by: who(), until });
      app.stores.policies.apply(policy);
    }
  };
}

export function resumePolicy(app: App): CommandHandler<'tidemark.policy.resume'> {
  return async (target, selection) => {
    for (const { applied } of await chosen(app, target, selection, vscode.l10n.t('Resume Policy'))) {
      const { policy } = await app.daemon.request(daemon.resumePolicy, { name: applied.name, by: who() });
      app.stores.policies.apply(policy);
    }
  };
}

export function deletePolicy(app: App): CommandHandler<'tidemark.policy.delete'> {
  return async (target, selection) => {
    const policies = await chosen(app, target, selection, vscode.l10n.t('Delete Applied Policy'));
    const names = policies.map(({ applied }) => applied.name);
    await app.notify.confirm({
      message:
        names.length === 1
          ? vscode.l10n.t('Delete policy {0} from the daemon?', names.join(''))
          : vscode.l10n.t('Delete {0} policies from the daemon: {1}?', names.length, namesText(names)),
      detail: vscode.l10n.t(
        'Its VMs are not backed up by it any more, and its retention removes nothing more. Restore points, history and files stay; a run that is active goes on.',
      ),
      confirm: vscode.l10n.t('Delete'),
    });
    for (const name of names) {
      await app.daemon.request(daemon.deletePolicy, { name, by: who() });
      app.stores.policies.forget(name);
    }
  };
}

async function chosen(
  app: App,
  target: PolicyTarget | undefined,
  selection: readonly PolicyTarget[],
  title: string,
): Promise<readonly CarriedPolicy[]> {
  const targets = selection.length > 1 ? selection : [target];
  const found: CarriedPolicy[] = [];
  for (const one of targets) found.push(await askAppliedPolicy(app, one, title));
  return found;
}
