/** The page that the links of diagnostics open. */
import * as vscode from 'vscode';

/**
 * Links of diagnostics may not run commands, and a link to a file opens its source. For this scheme the manifest makes VS Code's Markdown
 * preview the editor, which goes to the heading that the fragment of the URI names.
 */
const scheme = 'tidemark-help';
/** In the package. */
const file = 'docs/policies.md';

/** What is linked to, without a fragment. */
export const policyHelpUri = vscode.Uri.from({ scheme, path: '/policies.md' });

/** Serves the page. Nothing is read before somebody looks at it. */
export function registerPolicyHelp(extensionUri: vscode.Uri): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async ({ path }) => {
      // Links of the page to others, which are not in the package.
      if (path !== policyHelpUri.path)
        return vscode.l10n.t(
          'This page is not part of the extension. In the documentation of Tidemark it is {0}.',
          path,
        );
      return new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extensionUri, file)));
    },
  });
}
