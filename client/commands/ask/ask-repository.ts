/** Asks which repository. */
import * as vscode from 'vscode';

import type { RepositoryEntry } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { App } from '../../app.ts';
import { pickOne } from '../../ui/pick.ts';
import type { Choice, StepOptions } from '../../ui/pick.ts';
import { makeRepository } from '../repository-create.ts';
import { lastRepository } from './last-repository.ts';

/** The repositories of the daemon; throws why they cannot be listed. */
export async function knownRepositories({ stores: { repositories } }: App): Promise<readonly RepositoryEntry[]> {
  await repositories.load();
  // One that was just made, in another window too: what tells of it may be on its way.
  if (repositories.repositories.value.length === 0) await repositories.load({ force: true });
  const { value, error } = repositories.repositories;
  if (value.length === 0 && error !== undefined) throw error;
  return value;
}

/** Asks for one of the repositories. Throws as `pickOne`, and `TM5203` when there is none. */
export async function askRepository(app: App, question: StepOptions): Promise<string> {
  return pickOne<string>({
    ...question,
    choices: async () => {
      const entries = await knownRepositories(app);
      if (entries.length > 0) return entries.map(repositoryChoice);
      throw new TidemarkError(errorCodes.repositoryUnknown, vscode.l10n.t('There is no repository yet.'));
    },
    selected: (name) => name === lastRepository(app),
  });
}

/** Asks where a backup goes: a repository, the last one first, or a new one that is then made. Throws as `pickOne`. */
export async function askBackupRepository(app: App, question: StepOptions): Promise<string> {
  const chosen = await pickOne<string | undefined>({
    ...question,
    choices: async () => [
      ...(await knownRepositories(app)).map(repositoryChoice),
      {
        label: vscode.l10n.t('Create Repository…'),
        iconPath: new vscode.ThemeIcon('add'),
        alwaysShow: true,
        value: undefined,
      },
    ],
    selected: (name) => name !== undefined && name === lastRepository(app),
  });
  return chosen ?? (await makeRepository(app));
}

function repositoryChoice({ name, location }: RepositoryEntry): Choice<string> {
  return { label: name, description: location, iconPath: new vscode.ThemeIcon('database'), value: name };
}
