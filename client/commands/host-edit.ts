/** `tidemark.host.edit`: one thing at a time, tried before it counts; what is not touched stays. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { HostEntry } from '../../server/protocol/daemon.ts';
import type { Parsed } from '../../server/protocol/parse.ts';
import type { App } from '../app.ts';
import { askText, pickOne, runSteps } from '../ui/pick.ts';
import type { Choice } from '../ui/pick.ts';
import { withProgress } from '../ui/progress.ts';
import { askHost, knownHosts } from './ask/ask-host.ts';
import { passwordSteps } from './ask/ask-password.ts';
import { attempt } from './attempt.ts';
import { connectTimeoutMs, isUnencrypted, threadsProblem, threadsPrompt, urlProblem } from './flows/host-input.ts';
import { tellConnected } from './host-test.ts';
import type { CommandHandler } from './registry.ts';

type Part = 'url' | 'password' | 'threads' | 'certificate';
type Change = Omit<Parsed<typeof daemon.editHost.params>, 'name'>;

export function editHost(app: App): CommandHandler<'tidemark.host.edit'> {
  return async (target) => {
    const hosts = await knownHosts(app);
    let name = target?.host ?? '';
    let part: Part = 'url';
    let edited: HostEntry | undefined;
    const title = (): string => vscode.l10n.t('Edit Host {0}', name);
    const host = (): HostEntry | undefined => hosts.find((entry) => entry.name === name);
    const change = async (fields: Change, signal?: AbortSignal): Promise<void> => {
      const options = { signal, timeoutMs: connectTimeoutMs };
      edited = (await app.daemon.request(daemon.editHost, { name, ...fields }, options)).host;
    };
    const tried = async (fields: Change, signal: AbortSignal): Promise<string | undefined> =>
      attempt(app, 'editing a host', async () => change(fields, signal));
    await runSteps([
      async (back) => {
        if (target !== undefined) return false;
        name = await askHost(app, { title: vscode.l10n.t('Edit Host'), back });
        return true;
      },
      async (back) => {
        const choices = partChoices(host());
        part = await pickOne({ title: title(), back, choices, selected: (value) => value === part });
      },
      async (back) => {
        if (part !== 'url') return false;
        return askText({
          title: title(),
          back,
          value: host()?.url,
          prompt: vscode.l10n.t('Address of the Tidemark agent on the Hyper-V host.'),
          validate: (value) => urlProblem(value, hosts, name),
          check: async (value, signal) => tried({ url: value.trim() }, signal),
        });
      },
      async (back) => {
        if (part !== 'threads') return false;
        return askText({
          title: title(),
          back,
          value: String(host()?.threads ?? ''),
          prompt: threadsPrompt(),
          validate: threadsProblem,
          check: async (value, signal) => tried({ threads: Number(value) }, signal),
        });
      },
      async () => {
        if (part !== 'certificate') return false;
        await confirmCertificate(app, name, host());
        const connecting = vscode.l10n.t('Connecting to {0}…', name);
        return withProgress({ title: connecting, place: 'notification', cancellable: true }, async (signal) =>
          change({ acceptCertificate: true }, signal),
        );
      },
      ...passwordSteps(app, {
        title,
        prompt: vscode.l10n.t('Password of the agent: the one that was chosen when it was installed.'),
        isNew: false,
        when: () => part === 'password',
        use: tried,
      }),
    ]);
    if (edited === undefined) return;
    app.stores.hosts.apply(edited);
    void app.stores.vms.load(edited.name, { force: true });
    tellConnected(app, edited, vscode.l10n.t('Host {0} is changed.', edited.name));
  };
}

function partChoices(host: HostEntry | undefined): readonly Choice<Part>[] {
  const sources = {
    stored: vscode.l10n.t('kept by the daemon'),
    file: vscode.l10n.t('from a file'),
    command: vscode.l10n.t('from a program'),
  };
  const source = host?.passwordSource;
  const always: readonly Choice<Part>[] = [
    { label: vscode.l10n.t('Address'), description: host?.url ?? '', value: 'url' },
    {
      label: vscode.l10n.t('Password'),
      description: source === undefined ? '' : sources[source],
      value: 'password',
    },
    { label: vscode.l10n.t('Threads'), description: String(host?.threads ?? ''), value: 'threads' },
  ];
  if (host === undefined || isUnencrypted(host.url)) return always;
  const { certificateSha256: known } = host;
  return [
    ...always,
    {
      label: vscode.l10n.t('Certificate'),
      description: vscode.l10n.t('take the one that the host shows now'),
      ...(known === undefined ? {} : { detail: vscode.l10n.t('Trusted so far: {0}', known) }),
      value: 'certificate',
    },
  ];
}

async function confirmCertificate({ notify }: App, name: string, host: HostEntry | undefined): Promise<void> {
  const known = host?.certificateSha256;
  const advice = vscode.l10n.t(
    'Do this after the certificate of the agent was renewed. The password is still proved both ways over the new one, and the new fingerprint is shown.',
  );
  const before = known === undefined ? '' : `\n\n${vscode.l10n.t('Trusted so far: {0}', known)}`;
  await notify.confirm({
    message: vscode.l10n.t('Trust the certificate that {0} shows now?', name),
    detail: `${advice}${before}`,
    confirm: vscode.l10n.t('Trust'),
  });
}
