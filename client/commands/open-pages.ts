/** The pages of VS Code itself that are about Tidemark. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { walkthroughId } from '../contributions.ts';
import type { CommandHandlers } from './registry.ts';

export function pageCommands({ extension }: App): CommandHandlers {
  return {
    'tidemark.walkthrough.open': async () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', walkthroughId, false),
    'tidemark.settings.open': async () =>
      vscode.commands.executeCommand('workbench.action.openSettings', `@ext:${extension.extension.id}`),
  };
}
