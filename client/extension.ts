/** Entry of the extension. Activation registers and returns: the daemon is looked for when a view shows or a command needs it. */
import type * as vscode from 'vscode';

import { createApp } from './app.ts';
import type { App } from './app.ts';

/** What `activate` returns to tests and to other extensions. Read-only. */
export interface ExtensionApi {
  readonly api: 1;
  /** The extension's own time in `activate`, ms. */
  readonly activationMs: number;
  /** The parts of this window, for the tests inside VS Code. */
  readonly app: App;
}

/** Called by VS Code once. */
export function activate(context: vscode.ExtensionContext): ExtensionApi {
  const started = performance.now();
  const app = createApp(context);
  const activationMs = performance.now() - started;
  app.logs.info(`activated in ${activationMs.toFixed(1)} ms`);
  return { api: 1, activationMs, app };
}

/** Nothing to save: runs belong to the daemon, and what was registered is freed by VS Code. */
export function deactivate(): void {}
