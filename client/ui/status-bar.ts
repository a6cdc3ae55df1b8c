/** The one status bar item: what it shows is decided by whoever calls `show`. */
import * as vscode from 'vscode';

import type { CommandId, ViewId } from '../contributions.ts';

/** What a click does: a command of ours with what it is about, or VS Code's own that shows a view. */
export interface StatusCommand {
  readonly id: CommandId | `${ViewId}.focus`;
  readonly target?: unknown;
}

/** What the item shows. */
export interface StatusText {
  /** Short; codicons as `$(name)`. */
  readonly text: string;
  /** For screen readers, and as the name in the status bar's menu. */
  readonly accessibleText: string;
  readonly tooltip: vscode.MarkdownString;
  readonly command: StatusCommand;
  /** Colours the item as a problem. */
  readonly problem?: boolean | undefined;
}

/** Made when first shown; one in each window. */
export class StatusBar {
  #item: vscode.StatusBarItem | undefined;

  /** Shows the item, or changes it. */
  show({ text, accessibleText, tooltip, command, problem = false }: StatusText): void {
    const item = (this.#item ??= this.#create());
    item.text = text;
    item.tooltip = tooltip;
    const args = command.target === undefined ? [] : [command.target];
    item.command = { command: command.id, title: accessibleText, arguments: args };
    item.accessibilityInformation = { label: accessibleText, role: 'button' };
    item.backgroundColor = problem ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    item.show();
  }

  hide(): void {
    this.#item?.hide();
  }

  dispose(): void {
    this.#item?.dispose();
  }

  #create(): vscode.StatusBarItem {
    const item = vscode.window.createStatusBarItem('tidemark.status', vscode.StatusBarAlignment.Left);
    item.name = vscode.l10n.t('Tidemark');
    return item;
  }
}
