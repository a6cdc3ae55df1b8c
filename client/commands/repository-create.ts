/** `tidemark.repository.create`: folder, name, password twice; then the recovery key, once. */
import { readdir } from 'node:fs/promises';

import * as vscode from 'vscode';

import { systemCode } from '../../server/base/files.ts';
import * as daemon from '../../server/protocol/daemon.ts';
import type { RepositoryEntry } from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { askText, runSteps } from '../ui/pick.ts';
import { askFolder } from './ask/ask-folder.ts';
import { passwordSteps } from './ask/ask-password.ts';
import { daemonMachine } from './ask/daemon-machine.ts';
import { rememberRepository } from './ask/last-repository.ts';
import { attempt } from './attempt.ts';
import {
  recoveryKeyText,
  repositoryLocation,
  repositoryNameProblem,
  repositoryTimeoutMs,
  suggestedRepositoryName,
} from './flows/repository-input.ts';
import type { CommandHandler } from './registry.ts';

const totalSteps = 5;

export function createRepository(app: App): CommandHandler<'tidemark.repository.create'> {
  return async () => {
    const name = await makeRepository(app);
    void app.notify.info(vscode.l10n.t('Repository {0} is ready for backups.', name));
  };
}

/** Asks for everything, makes the repository and shows its recovery key; gives the name. Throws `vscode.CancellationError`. */
export async function makeRepository(app: App): Promise<string> {
  const machine = await daemonMachine(app);
  await app.stores.repositories.load();
  const taken = app.stores.repositories.repositories.value.map((entry) => entry.name);
  const common = { title: vscode.l10n.t('Create Repository'), totalSteps };
  let folder = '';
  let isEmpty = true;
  let name = '';
  let made: { readonly repository: RepositoryEntry; readonly recoveryKey?: string | undefined } | undefined;
  await runSteps([
    async (back) => {
      folder = await askFolder(machine, {
        ...common,
        back,
        step: 1,
        prompt: vscode.l10n.t('Folder on {0} for the restore points.', machine.name),
        proposed: folder === '' ? machine.home : folder,
      });
      // What lies in a folder elsewhere is for the daemon to judge.
      isEmpty = !machine.local || (await isEmptyFolder(folder));
    },
    async (back) => {
      name = await askText({
        ...common,
        back,
        step: 2,
        value: name === '' ? suggestedRepositoryName(folder, isEmpty, taken, machine.style) : name,
        prompt: isEmpty
          ? vscode.l10n.t('What to call the repository here. Its files go into {0}.', folder)
          : vscode.l10n.t(
              'What to call the repository here. Its files go into a new folder of that name in {0}.',
              folder,
            ),
        validate: (value) => repositoryNameProblem(value, taken),
      });
    },
    ...passwordSteps(app, {
      title: () => common.title,
      totalSteps,
      prompt: vscode.l10n.t(
        'Password that encrypts the backups. Without it, or the recovery key, nobody can read them.',
      ),
      isNew: true,
      stepsBefore: 2,
      use: async (password, signal) =>
        attempt(app, 'creating a repository', async () => {
          const location = repositoryLocation(folder, isEmpty, name, machine.style);
          const params = { name, location, attach: false, ...password };
          made = await app.daemon.request(daemon.initRepository, params, { signal, timeoutMs: repositoryTimeoutMs });
        }),
    }),
  ]);
  if (made === undefined) throw new vscode.CancellationError();
  if (made.recoveryKey !== undefined) await showRecoveryKey(app, made.repository.name, made.recoveryKey);
  await app.stores.repositories.load({ force: true });
  await rememberRepository(app, made.repository.name);
  return made.repository.name;
}

/** How often the recovery key is shown to somebody who answers nothing. */
const maxShown = 3;

/** The only place that ever shows it. It goes to the clipboard when the user says so, and nowhere else. */
async function showRecoveryKey({ notify }: App, name: string, recoveryKey: string): Promise<void> {
  const copy = vscode.l10n.t('Copy Recovery Key');
  const kept = vscode.l10n.t('I Have Written It Down');
  let chosen: string | undefined;
  // Escape, pressed too soon, must not be the end of it.
  for (let shown = 0; chosen === undefined && shown < maxShown; shown++) {
    chosen = await vscode.window.showWarningMessage(
      vscode.l10n.t('Keep the recovery key of repository {0}', name),
      { modal: true, detail: recoveryKeyText(recoveryKey) },
      copy,
      kept,
    );
  }
  if (chosen !== copy) return;
  await vscode.env.clipboard.writeText(recoveryKey);
  void notify.info(vscode.l10n.t('The recovery key is in the clipboard. Put it where you keep such things.'));
}

/** One that is not there yet counts as empty. */
async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length === 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true;
    throw error;
  }
}
