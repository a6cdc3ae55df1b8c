/** The text of a policy file. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import type { PolicyEntry } from '../policy/policy-entries.ts';
import { policyContent } from '../policy/policy-file.ts';

/** As the editor has it, saved or not; else as it is on disk. Throws `TM1001` when it cannot be read as text. */
export async function editedText(uri: vscode.Uri): Promise<string> {
  return openDocument(uri)?.getText() ?? diskText(uri);
}

/** As it is on disk, after what was changed in the editor is saved: what is applied is what others see in the file. Throws `TM1001`. */
export async function savedText(uri: vscode.Uri): Promise<string> {
  const document = openDocument(uri);
  if (document?.isDirty === true && !(await document.save()))
    throw new TidemarkError(errorCodes.invalidInput, vscode.l10n.t('{0} could not be saved.', nameOf(uri)));
  return diskText(uri);
}

function openDocument(uri: vscode.Uri): vscode.TextDocument | undefined {
  return vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
}

async function diskText(uri: vscode.Uri): Promise<string> {
  const { text } = policyContent(await vscode.workspace.fs.readFile(uri));
  if (text !== undefined) return text;
  throw new TidemarkError(errorCodes.invalidInput, vscode.l10n.t('{0} is no text that a policy can be.', nameOf(uri)), {
    hint: vscode.l10n.t('A policy is a text in UTF-8 of at most 256 KiB.'),
  });
}

const nameOf = (uri: vscode.Uri): string => uri.path.split('/').at(-1) ?? uri.path;

/** The text of a policy: of its file, as the editor has it, else the applied one. Throws `TM7002`. */
export async function policyTextOf({ daemon: link }: App, { name, file }: PolicyEntry): Promise<string> {
  if (file !== undefined) return editedText(vscode.Uri.parse(file.uri, true));
  return (await link.request(daemon.getPolicy, { name })).text;
}
