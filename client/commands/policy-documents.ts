/** Versions of policies as read-only documents, and what is compared with them. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import { policyName } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import type { PolicyVersionTarget } from '../targets.ts';

const scheme = 'tidemark-policy';
/** Not the ending of policy files: nothing is checked, applied or run from what was. */
const pathOf = ({ policyName: name, version }: PolicyVersionTarget): string => `/${name} (${version}).yaml`;
const pathPattern = /^\/([a-z0-9-]+) \((\d+)\)\.yaml$/;

export class PolicyDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #app: App;
  readonly #registration: vscode.Disposable;

  constructor(app: App) {
    this.#app = app;
    this.#registration = vscode.workspace.registerTextDocumentContentProvider(scheme, this);
  }

  /** Asks the daemon: a version never changes, and a window may be restored with its tabs. */
  async provideTextDocumentContent({ path }: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    const [, name, version] = pathPattern.exec(path) ?? [];
    if (name === undefined) throw new TidemarkError(errorCodes.policyNotFound, `No version of a policy: ${path}`);
    if (token.isCancellationRequested) throw new vscode.CancellationError();
    const params = { name: policyName(name, ''), version: Number(version) };
    return (await this.#app.daemon.request(daemon.getPolicy, params)).text;
  }

  /** Opens a version. */
  async open(version: PolicyVersionTarget): Promise<void> {
    await vscode.window.showTextDocument(uriOf(version), { preview: true });
  }

  /** Shows the differences from a version to a file, or to another version. */
  async compare(left: PolicyVersionTarget, right: vscode.Uri | PolicyVersionTarget): Promise<void> {
    const isFile = right instanceof vscode.Uri;
    const title = isFile
      ? vscode.l10n.t('{0}: applied version {1} and file', left.policyName, left.version)
      : vscode.l10n.t('{0}: versions {1} and {2}', left.policyName, left.version, right.version);
    await vscode.commands.executeCommand('vscode.diff', uriOf(left), isFile ? right : uriOf(right), title, {
      preview: true,
    });
  }

  dispose(): void {
    this.#registration.dispose();
  }
}

function uriOf(version: PolicyVersionTarget): vscode.Uri {
  return vscode.Uri.from({ scheme, path: pathOf(version) });
}
