/** `tidemark.host.test`: connects, and says whom it met. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { HostEntry } from '../../server/protocol/daemon.ts';
import { errorFromReport } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { withProgress } from '../ui/progress.ts';
import { askHost } from './ask/ask-host.ts';
import { connectTimeoutMs, isUnencrypted } from './flows/host-input.ts';
import type { CommandHandler } from './registry.ts';

export function testHost(app: App): CommandHandler<'tidemark.host.test'> {
  return async (target) => {
    const name = target?.host ?? (await askHost(app, { title: vscode.l10n.t('Test Host Connection') }));
    const title = vscode.l10n.t('Connecting to {0}…', name);
    const { host } = await withProgress({ title, place: 'notification', cancellable: true }, async (signal) =>
      app.daemon.request(daemon.testHost, { name }, { signal, timeoutMs: connectTimeoutMs }),
    );
    app.stores.hosts.apply(host);
    if (host.status.state === 'unreachable') throw errorFromReport(host.status.error);
    tellConnected(app, host, vscode.l10n.t('Host {0} answers and knows the password.', name));
  };
}

/** Says who answered. With a button VS Code shows a message whole: the fingerprint is there to be compared. */
export function tellConnected({ notify }: App, host: HostEntry, first: string): void {
  const { certificateSha256 } = host;
  const copy = {
    title: vscode.l10n.t('Copy Fingerprint'),
    run: () => vscode.env.clipboard.writeText(certificateSha256 ?? ''),
  };
  void notify.info(connectedText(host, first), { actions: certificateSha256 === undefined ? [] : [copy] });
}

/** Who answered, and the certificate that stands for it, in the form in which the agent's installation, its log and the command line show it. */
function connectedText({ url, status, certificateSha256 }: HostEntry, first: string): string {
  const parts = [first];
  if (status.state === 'reachable') {
    parts.push(vscode.l10n.t('It runs {0}, agent {1}.', status.info.osName, status.agentVersion));
  }
  if (certificateSha256 !== undefined) {
    parts.push(
      vscode.l10n.t(
        'The SHA-256 fingerprint of its certificate must be the one that the installation of the agent showed: {0}',
        certificateSha256,
      ),
    );
  } else if (isUnencrypted(url)) {
    parts.push(vscode.l10n.t('The connection is not encrypted: use https outside of a test network.'));
  }
  return parts.join(' ');
}
