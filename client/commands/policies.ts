/** Policy files of the workspace: making one, opening one, looking for them again. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { askText, pickOne, runSteps } from '../ui/pick.ts';
import { policySuffix } from '../views/policies/policies-model.ts';
import { policyNameProblem, starterPolicy } from './flows/policy-starter.ts';
import type { CommandHandler } from './registry.ts';

export function openPolicy(): CommandHandler<'tidemark.policy.open'> {
  return async (target) => {
    if (target === undefined) return;
    await vscode.window.showTextDocument(vscode.Uri.parse(target.policyUri, true), { preview: true });
  };
}

export function refreshPolicies({ views }: App): CommandHandler<'tidemark.policies.refresh'> {
  return async () => views.policies.refresh();
}

export function createPolicy(app: App): CommandHandler<'tidemark.policy.create'> {
  return async () => {
    const folders = vscode.workspace.workspaceFolders ?? [];
    const [first] = folders;
    if (first === undefined) throw noFolder();
    const title = vscode.l10n.t('Create Policy');
    let folder = first;
    let name = 'nightly';
    await runSteps([
      async (back) => {
        if (folders.length === 1) return false;
        folder = await pickOne({
          title,
          back,
          placeholder: vscode.l10n.t('In which folder'),
          choices: folders.map((value) => ({ label: value.name, description: value.uri.fsPath, value })),
        });
        return true;
      },
      async (back) => {
        name = await askText({
          title,
          back,
          value: name,
          prompt: vscode.l10n.t('Name of the policy. The file is called after it.'),
          validate: policyNameProblem,
          check: async (value) =>
            (await exists(fileOf(folder, value))) ? vscode.l10n.t('There is a file of that name already.') : undefined,
        });
      },
    ]);
    const uri = fileOf(folder, name);
    const { hosts, repositories } = app.stores;
    const content = starterPolicy({
      name,
      repository: repositories.repositories.value[0]?.name,
      host: hosts.hosts.value[0]?.name,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    });
    await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(content));
    await vscode.window.showTextDocument(uri);
    await app.views.policies.refresh();
  };
}

/** The daemon has no policies yet; what a policy names can be backed up by hand. */
export function backUpPolicy(): CommandHandler<'tidemark.policy.backUp'> {
  return () => {
    throw new TidemarkError(
      errorCodes.invalidUsage,
      vscode.l10n.t('This version of the daemon does not run policies.'),
      {
        hint: vscode.l10n.t('Back up the VMs with Back Up Now.'),
      },
    );
  };
}

function fileOf({ uri }: vscode.WorkspaceFolder, name: string): vscode.Uri {
  return vscode.Uri.joinPath(uri, `${name}${policySuffix}`);
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  return Promise.resolve(vscode.workspace.fs.stat(uri)).then(
    () => true,
    () => false,
  );
}

function noFolder(): TidemarkError {
  return new TidemarkError(
    errorCodes.invalidUsage,
    vscode.l10n.t('Policies are files in a folder, and none is open.'),
    {
      hint: vscode.l10n.t('Open the folder that is to hold them.'),
    },
  );
}
