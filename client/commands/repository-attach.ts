/** `tidemark.repository.attach`: takes in a repository that is there already. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { askText, runSteps } from '../ui/pick.ts';
import { askFolder } from './ask/ask-folder.ts';
import { passwordSteps } from './ask/ask-password.ts';
import { daemonMachine } from './ask/daemon-machine.ts';
import { rememberRepository } from './ask/last-repository.ts';
import { attempt } from './attempt.ts';
import { repositoryNameProblem, repositoryTimeoutMs, suggestedRepositoryName } from './flows/repository-input.ts';
import type { CommandHandler } from './registry.ts';

const totalSteps = 4;

export function attachRepository(app: App): CommandHandler<'tidemark.repository.attach'> {
  return async () => {
    const machine = await daemonMachine(app);
    const { repositories } = app.stores;
    await repositories.load();
    const taken = repositories.repositories.value.map((entry) => entry.name);
    const common = { title: vscode.l10n.t('Attach Repository'), totalSteps };
    let location = '';
    let name = '';
    await runSteps([
      async (back) => {
        location = await askFolder(machine, {
          ...common,
          back,
          step: 1,
          prompt: vscode.l10n.t('Folder on {0} that holds the repository.', machine.name),
          proposed: location === '' ? machine.home : location,
        });
      },
      async (back) => {
        name = await askText({
          ...common,
          back,
          step: 2,
          value: name === '' ? suggestedRepositoryName(location, true, taken, machine.style) : name,
          prompt: vscode.l10n.t('What to call the repository here.'),
          validate: (value) => repositoryNameProblem(value, taken),
        });
      },
      ...passwordSteps(app, {
        title: () => common.title,
        totalSteps,
        prompt: vscode.l10n.t('Password of the repository, or its recovery key.'),
        isNew: false,
        stepsBefore: 2,
        use: async (password, signal) =>
          attempt(app, 'attaching a repository', async () => {
            const params = { name, location, attach: true, ...password };
            await app.daemon.request(daemon.initRepository, params, { signal, timeoutMs: repositoryTimeoutMs });
          }),
      }),
    ]);
    await repositories.load({ force: true });
    await rememberRepository(app, name);
    void app.notify.info(vscode.l10n.t('Repository {0} is attached.', name));
  };
}
