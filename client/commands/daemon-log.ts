/** `tidemark.daemon.showLog`: the daemon's log file, where this machine has it. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';

import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { dataDirectory } from '../daemon-control.ts';
import { readSetting } from '../ui/settings.ts';
import type { CommandHandler } from './registry.ts';

/** Where the daemon of this machine writes its log, running or not. */
export const localLogFile = (): string => join(dataDirectory(), 'logs', 'daemon.log');

export function showDaemonLog(app: App): CommandHandler<'tidemark.daemon.showLog'> {
  return async () => {
    if (readSetting('tidemark.daemon.address') !== '') return tellRemoteLog(app);
    const path = localLogFile();
    await access(path).catch((cause: unknown) => {
      throw new TidemarkError(errorCodes.daemonNotRunning, vscode.l10n.t('The daemon has not written a log yet.'), {
        hint: vscode.l10n.t('Start it; the log of the extension says what came of earlier attempts.'),
        cause,
      });
    });
    const document = await vscode.workspace.openTextDocument(vscode.Uri.file(path));
    const editor = await vscode.window.showTextDocument(document, { preview: true });
    const end = document.lineAt(document.lineCount - 1).range.end;
    editor.revealRange(new vscode.Range(end, end));
    // The daemon writes to it: a stray key that is saved would cost it lines.
    await vscode.commands.executeCommand('workbench.action.files.setActiveEditorReadonlyInSession');
    return undefined;
  };
}

/** Files of another machine cannot be opened from here. */
async function tellRemoteLog({ daemon: link, notify }: App): Promise<void> {
  const { logFile, machine } = await link.request(daemon.getDaemonStatus, {});
  const copy = {
    title: vscode.l10n.t('Copy Path'),
    run: async () => vscode.env.clipboard.writeText(logFile),
  };
  void notify.info(vscode.l10n.t('The log of the daemon lies on {0}: {1}', machine, logFile), { actions: [copy] });
}
