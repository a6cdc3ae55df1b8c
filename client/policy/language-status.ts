/** The status of the language server, in the language status of policy files. */
import * as vscode from 'vscode';

import type { ConnectionState } from '../daemon/state.ts';
import type { CommandId } from '../contributions.ts';
import { policyLanguageId } from '../contributions.ts';
import type { ServerState } from './language-client-api.ts';

/** One item for all policy files. Made when the first one is open. */
export class LanguageStatus implements vscode.Disposable {
  readonly #item: vscode.LanguageStatusItem;

  constructor() {
    this.#item = vscode.languages.createLanguageStatusItem('tidemark.policyLanguage', { language: policyLanguageId });
    this.#item.name = vscode.l10n.t('Tidemark policies');
  }

  /** Says whether files are checked, and whether the names in them are. */
  show(server: ServerState, daemon: ConnectionState['kind']): void {
    const item = this.#item;
    item.busy = server === 'starting';
    item.severity = vscode.LanguageStatusSeverity.Information;
    item.command = undefined;
    item.detail = '';
    if (server === 'stopped') {
      item.severity = vscode.LanguageStatusSeverity.Error;
      item.text = vscode.l10n.t('Policies are not checked');
      item.detail = vscode.l10n.t('the language server does not run');
      item.command = action('tidemark.policyLanguage.restart', vscode.l10n.t('Restart'));
    } else if (server === 'starting') {
      item.text = vscode.l10n.t('The policy language server starts');
    } else if (daemon === 'connected') {
      item.text = vscode.l10n.t('Policies are checked');
      item.command = action('tidemark.policyLanguage.showLog', vscode.l10n.t('Show Log'));
    } else {
      item.severity = vscode.LanguageStatusSeverity.Warning;
      item.text = vscode.l10n.t('Names are not checked');
      item.detail = vscode.l10n.t('the daemon is not connected');
      item.command = action('tidemark.daemon.start', vscode.l10n.t('Connect'));
    }
  }

  dispose(): void {
    this.#item.dispose();
  }
}

function action(command: CommandId, title: string): vscode.Command {
  return { command, title };
}
