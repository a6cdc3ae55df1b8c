/** `tidemark.host.add`: URL, name, threads and password, tried before the last box closes. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { HostEntry } from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { askText, runSteps } from '../ui/pick.ts';
import { passwordSteps } from './ask/ask-password.ts';
import { attempt } from './attempt.ts';
import {
  connectTimeoutMs,
  defaultThreads,
  hostNameProblem,
  suggestedHostName,
  threadsProblem,
  threadsPrompt,
  urlProblem,
} from './flows/host-input.ts';
import { tellConnected } from './host-test.ts';
import type { CommandHandler } from './registry.ts';

const totalSteps = 5;

export function addHost(app: App): CommandHandler<'tidemark.host.add'> {
  return async () => {
    const { stores } = app;
    await stores.hosts.load();
    const known = stores.hosts.hosts.value;
    const common = { title: vscode.l10n.t('Add Host'), totalSteps };
    let url = 'https://';
    let name = '';
    let threads = String(defaultThreads);
    let added: HostEntry | undefined;
    await runSteps([
      async (back) => {
        url = await askText({
          ...common,
          back,
          step: 1,
          value: url,
          placeholder: 'https://hv01:8440',
          prompt: vscode.l10n.t('Address of the Tidemark agent on the Hyper-V host.'),
          validate: (value) => urlProblem(value, known),
        });
      },
      async (back) => {
        name = await askText({
          ...common,
          back,
          step: 2,
          value: name === '' ? suggestedHostName(url, known) : name,
          prompt: vscode.l10n.t('What to call the host here.'),
          validate: (value) => hostNameProblem(value, known),
        });
      },
      async (back) => {
        threads = await askText({
          ...common,
          back,
          step: 3,
          value: threads,
          prompt: threadsPrompt(),
          validate: threadsProblem,
        });
      },
      ...passwordSteps(app, {
        title: () => common.title,
        totalSteps,
        prompt: vscode.l10n.t('Password of the agent: the one that was chosen when it was installed.'),
        isNew: false,
        stepsBefore: 3,
        use: async (password, signal) =>
          attempt(app, 'adding a host', async () => {
            const params = { name, url: url.trim(), threads: Number(threads), replace: false, ...password };
            const answer = await app.daemon.request(daemon.addHost, params, { signal, timeoutMs: connectTimeoutMs });
            added = answer.host;
          }),
      }),
    ]);
    if (added === undefined) return;
    stores.hosts.apply(added);
    void stores.vms.load(added.name, { force: true });
    tellConnected(app, added, vscode.l10n.t('Host {0} is added.', added.name));
  };
}
