/** `tidemark.policy.compare`, `tidemark.policy.open` and `tidemark.policy.openVersion`: texts of policies side by side, or alone. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { askAppliedPolicy } from './ask/ask-policy.ts';
import type { PolicyDocuments } from './policy-documents.ts';
import type { CommandHandler } from './registry.ts';

/** The applied version beside the file; or a version beside the applied one. */
export function comparePolicy(app: App, documents: PolicyDocuments): CommandHandler<'tidemark.policy.compare'> {
  return async (target) => {
    const title = vscode.l10n.t('Compare with Applied Version');
    const { applied, file } = await askAppliedPolicy(app, target, title);
    const current = { policyName: applied.name, version: applied.current.version };
    if (target?.version !== undefined)
      await documents.compare({ policyName: applied.name, version: target.version }, current);
    else if (file !== undefined) await documents.compare(current, vscode.Uri.parse(file.uri, true));
    else await documents.open(current);
  };
}

/** The file; the applied version of a policy that has none. */
export function openPolicy(app: App, documents: PolicyDocuments): CommandHandler<'tidemark.policy.open'> {
  return async (target) => {
    if (target?.policyUri !== undefined) {
      await vscode.window.showTextDocument(vscode.Uri.parse(target.policyUri, true), { preview: true });
    } else if (target?.policyName !== undefined) {
      const { applied } = await askAppliedPolicy(app, target, vscode.l10n.t('Open Policy'));
      await documents.open({ policyName: applied.name, version: applied.current.version });
    }
  };
}

export function openVersion(documents: PolicyDocuments): CommandHandler<'tidemark.policy.openVersion'> {
  return async (target) => (target === undefined ? undefined : documents.open(target));
}
