/** Asks for a folder or a file on the daemon's machine: with VS Code's dialog where that shows it, else as a path. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { askText } from '../../ui/pick.ts';
import type { InputOptions } from '../../ui/pick.ts';
import { filePathProblem, pathProblem } from '../flows/paths.ts';
import type { DaemonMachine } from './daemon-machine.ts';

interface FolderQuestion extends Pick<InputOptions, 'title' | 'step' | 'totalSteps' | 'back'> {
  readonly prompt: string;
  /** Where the dialog opens, or what the box proposes. */
  readonly proposed: string;
}

/** Asks for a folder, absolute. Throws `vscode.CancellationError`, and `BackError` where it is a box. */
export async function askFolder(machine: DaemonMachine, question: FolderQuestion): Promise<string> {
  const { prompt, proposed } = question;
  if (!machine.local) {
    return askText({ ...question, value: proposed, validate: (value) => pathProblem(value, machine.style) });
  }
  const [folder] =
    (await vscode.window.showOpenDialog({
      title: prompt,
      openLabel: vscode.l10n.t('Choose Folder'),
      defaultUri: vscode.Uri.file(proposed),
      canSelectFiles: false,
      canSelectFolders: true,
      canSelectMany: false,
    })) ?? [];
  return localPath(folder);
}

interface FileQuestion extends FolderQuestion {
  /** Extensions by what they are. */
  readonly filters: Readonly<Record<string, readonly string[]>>;
}

/** Asks for a file to write, absolute. Throws as `askFolder`. Whether it exists is for the caller to ask about. */
export async function askNewFile(machine: DaemonMachine, question: FileQuestion): Promise<string> {
  const { title, prompt, proposed, filters } = question;
  if (!machine.local) {
    return askText({ ...question, value: proposed, validate: (value) => filePathProblem(value, machine.style) });
  }
  const file = await vscode.window.showSaveDialog({
    title: prompt,
    saveLabel: title,
    defaultUri: vscode.Uri.file(proposed),
    filters: Object.fromEntries(Object.entries(filters).map(([what, extensions]) => [what, [...extensions]])),
  });
  return localPath(file);
}

function localPath(uri: vscode.Uri | undefined): string {
  if (uri === undefined) throw new vscode.CancellationError();
  if (uri.scheme === 'file') return uri.fsPath;
  throw new TidemarkError(
    errorCodes.invalidInput,
    vscode.l10n.t('{0} is not on the machine of the daemon.', uri.toString(true)),
    { hint: vscode.l10n.t('Choose a folder of the machine where the extension runs.') },
  );
}
