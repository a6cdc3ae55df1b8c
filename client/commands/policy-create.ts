/** `tidemark.policy.create`: a policy file from a template, in a folder of the workspace. */
import { setTimeout as sleep } from 'node:timers/promises';

import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { policySuffix } from '../contributions.ts';
import { askText, pickOne, runSteps } from '../ui/pick.ts';
import { mayAsk } from '../views/tree/may-ask.ts';
import { policyFromTemplate, policyNameProblem, policyTemplates } from './flows/policy-templates.ts';
import type { PolicyTemplate } from './flows/policy-templates.ts';
import type { CommandHandler } from './registry.ts';

/** How long the names may take when everything else is answered, ms. */
const patienceMs = 2000;

export function createPolicy(app: App): CommandHandler<'tidemark.policy.create'> {
  return async () => {
    const title = vscode.l10n.t('New Policy');
    const [nightly] = policyTemplates();
    const [firstFolder] = vscode.workspace.workspaceFolders ?? [];
    if (nightly === undefined || firstFolder === undefined) throw noFolder();
    // Names to begin with; who has no daemon gets examples.
    const names = mayAsk(app.daemon)
      ? Promise.all([app.stores.hosts.load(), app.stores.repositories.load()])
      : undefined;
    let template = nightly;
    let folder = firstFolder;
    let name = '';
    await runSteps([
      async (back) => {
        template = await askTemplate(title, back);
      },
      async (back) => {
        const folders = vscode.workspace.workspaceFolders ?? [];
        if (folders.length <= 1) return false;
        folder = await askFolder(title, back, folders);
        return true;
      },
      async (back) => {
        name = await askName(app, { title, back, folder, proposed: template.name });
      },
    ]);
    await Promise.race([names, sleep(patienceMs, undefined, { ref: false })]);
    await writePolicy(app, fileOf(folder, name), template.id, name);
  };
}

async function askTemplate(title: string, back: boolean): Promise<PolicyTemplate> {
  return pickOne({
    title,
    back,
    placeholder: vscode.l10n.t('What to begin with'),
    choices: policyTemplates().map((value) => ({ label: value.label, detail: value.detail, value })),
  });
}

async function askFolder(
  title: string,
  back: boolean,
  folders: readonly vscode.WorkspaceFolder[],
): Promise<vscode.WorkspaceFolder> {
  return pickOne({
    title,
    back,
    placeholder: vscode.l10n.t('In which folder'),
    choices: folders.map((value) => ({ label: value.name, description: value.uri.fsPath, value })),
  });
}

interface NameQuestion {
  readonly title: string;
  readonly back: boolean;
  readonly folder: vscode.WorkspaceFolder;
  readonly proposed: string;
}

async function askName({ policies }: App, { title, back, folder, proposed }: NameQuestion): Promise<string> {
  return askText({
    title,
    back,
    value: proposed,
    prompt: vscode.l10n.t('Name of the policy. The file is called after it.'),
    validate: policyNameProblem,
    check: async (value) => {
      if (policies.entries.some(({ name, named }) => named && name === value))
        return vscode.l10n.t('There is a policy of that name already.');
      return (await exists(fileOf(folder, value))) ? vscode.l10n.t('There is a file of that name already.') : undefined;
    },
  });
}

async function writePolicy(app: App, uri: vscode.Uri, template: PolicyTemplate['id'], name: string): Promise<void> {
  const { hosts, repositories } = app.stores;
  const content = policyFromTemplate(template, {
    name,
    repository: repositories.repositories.value[0]?.name,
    host: hosts.hosts.value[0]?.name,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(content));
  await vscode.window.showTextDocument(uri);
  await app.policyFiles.search();
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
