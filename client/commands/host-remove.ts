/** `tidemark.host.remove`: one host or several; their restore points stay. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { askHost } from './ask/ask-host.ts';
import type { CommandHandler } from './registry.ts';

export function removeHost(app: App): CommandHandler<'tidemark.host.remove'> {
  return async (_, selection) => {
    const title = vscode.l10n.t('Remove Host');
    const chosen = selection.map(({ host }) => host);
    const names = chosen.length > 0 ? [...new Set(chosen)] : [await askHost(app, { title })];
    await app.notify.confirm({
      message:
        names.length === 1
          ? vscode.l10n.t('Remove host {0}?', names.join(''))
          : vscode.l10n.t('Remove {0} hosts: {1}?', names.length, names.join(', ')),
      detail: vscode.l10n.t(
        'Its VMs are not backed up any more until it is added again. Nothing changes on the host, and all restore points stay.',
      ),
      confirm: vscode.l10n.t('Remove'),
    });
    for (const name of names) {
      await app.daemon.request(daemon.removeHost, { name });
      app.stores.hosts.forget(name);
      app.stores.vms.forget(name);
    }
  };
}
