/** The page that the links of diagnostics open. */
import * as vscode from 'vscode';

import { helpPage } from './policy-help-model.ts';

/** Links of diagnostics may not run commands, and a link to a file opens its source. For this scheme the manifest makes VS Code's Markdown preview the editor. */
const scheme = 'tidemark-help';
/** In the package. */
const file = 'docs/policies.md';

const guidePath = '/policies.md';
const codePath = /^\/diagnostics\/(TM\d{4})\.md$/;

/** Where the page of each code is: `CODE.md` below it. */
export const policyHelpUri = vscode.Uri.from({ scheme, path: '/diagnostics' });

/** Serves the page. Nothing is read before somebody looks at it. */
export function registerPolicyHelp(extensionUri: vscode.Uri): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async ({ path }) => {
      const code = codePath.exec(path)?.[1];
      if (path === guidePath || code !== undefined) {
        const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extensionUri, file));
        const guide = new TextDecoder().decode(bytes);
        const page = code === undefined ? guide : helpPage(guide, code, guidePath);
        if (page === undefined) return guide;
        return code === undefined ? page : `${page}\n[${vscode.l10n.t('The guide to policies')}](${guidePath})\n`;
      }
      // Links of the page to others, which are not in the package.
      return vscode.l10n.t('This page is not part of the extension. In the documentation of Tidemark it is {0}.', path);
    },
  });
}
