/** `tidemark.policy.showVms` and `tidemark.vm.reveal`: which VMs a policy takes in, and where a VM is. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import type { PolicyVmsTarget, VmTarget } from '../targets.ts';
import { pickOne } from '../ui/pick.ts';
import { askPolicy } from './ask/ask-policy.ts';
import { askVm } from './ask/ask-vm.ts';
import { readPlan } from './policy-plan.ts';
import { policyTextOf } from './policy-text.ts';
import type { CommandHandler } from './registry.ts';

/** Lets the user choose one of them, and goes there. */
export function showPolicyVms(app: App): CommandHandler<'tidemark.policy.showVms'> {
  return async (target) => {
    const title = vscode.l10n.t('VMs of Policy');
    const vms = await vmsOf(app, target, title);
    const chosen = await pickOne<VmTarget>({
      title,
      placeholder: vscode.l10n.t('Which VM to go to'),
      choices: vms.map((vm) => ({
        label: vm.vmName,
        description: vm.host,
        iconPath: new vscode.ThemeIcon('vm'),
        value: vm,
      })),
    });
    await reveal(app, chosen);
  };
}

async function vmsOf(app: App, target: PolicyVmsTarget | undefined, title: string): Promise<readonly VmTarget[]> {
  if (target?.vms !== undefined && target.vms.length > 0) return target.vms;
  const entry = await askPolicy(app, target, title, 'file');
  const { vms } = await readPlan(app, await policyTextOf(app, entry));
  const taken = vms.filter(({ change }) => change !== 'dropped');
  if (taken.length > 0) return taken.map(({ host, vmId, vm }) => ({ host, vmId, vmName: vm }));
  throw new TidemarkError(errorCodes.vmNotFound, vscode.l10n.t('{0} takes in no VM.', entry.name));
}

export function revealVm(app: App): CommandHandler<'tidemark.vm.reveal'> {
  return async (target) => {
    const question = { title: vscode.l10n.t('Go to VM'), placeholder: vscode.l10n.t('Which VM to go to') };
    await reveal(app, target ?? (await askVm(app, question)));
  };
}

async function reveal({ views }: App, { host, vmId, vmName }: VmTarget): Promise<void> {
  await vscode.commands.executeCommand('tidemark.hosts.focus');
  if (await views.hosts.reveal(host, vmId)) return;
  throw new TidemarkError(errorCodes.vmNotFound, vscode.l10n.t('{0} has no VM {1} now.', host, vmName), {
    hint: vscode.l10n.t('It may have moved to another host. Refresh the hosts.'),
  });
}
