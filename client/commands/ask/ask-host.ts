/** Asks which host. */
import * as vscode from 'vscode';

import type { HostEntry } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { App } from '../../app.ts';
import { pickOne } from '../../ui/pick.ts';
import type { Choice, StepOptions } from '../../ui/pick.ts';

interface HostQuestion extends StepOptions {
  /** The host that has the focus at first. */
  readonly selected?: ((hosts: readonly string[]) => string | undefined) | undefined;
}

/** The hosts of the daemon. Throws `TM5201` when there is none, and why they cannot be listed. */
export async function knownHosts({ stores: { hosts } }: App, signal?: AbortSignal): Promise<readonly HostEntry[]> {
  await hosts.load({ signal });
  // One that was just added, in another window too: what tells of it may be on its way.
  if (hosts.hosts.value.length === 0) await hosts.load({ force: true, signal });
  const { value, error } = hosts.hosts;
  if (value.length > 0) return value;
  if (error !== undefined) throw error;
  throw new TidemarkError(errorCodes.hostNotFound, vscode.l10n.t('There is no host yet.'), {
    hint: vscode.l10n.t('Add one, or try the simulated host.'),
  });
}

/** Asks for one of the hosts. Throws as `pickOne` and `knownHosts`. */
export async function askHost(app: App, question: HostQuestion): Promise<string> {
  let proposed: string | undefined;
  return pickOne<string>({
    ...question,
    choices: async (signal) => {
      const hosts = await knownHosts(app, signal);
      proposed = question.selected?.(hosts.map(({ name }) => name));
      return hosts.map(hostChoice);
    },
    selected: (name) => name === proposed,
  });
}

function hostChoice({ name, url, status }: HostEntry): Choice<string> {
  const away = status.state === 'unreachable';
  return {
    label: name,
    description: url,
    iconPath: new vscode.ThemeIcon(away ? 'warning' : 'server'),
    ...(away ? { detail: vscode.l10n.t('Does not answer: {0}', status.error.message) } : {}),
    value: name,
  };
}
