/** Asks which policy. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { AppliedPolicy } from '../../../server/protocol/daemon.ts';
import type { App } from '../../app.ts';
import { policyLanguageId, policySuffix } from '../../contributions.ts';
import { joinPolicies } from '../../policy/policy-entries.ts';
import type { PolicyEntry } from '../../policy/policy-entries.ts';
import { contentOf } from '../../policy/policy-file.ts';
import type { PolicyFile } from '../../policy/policy-file.ts';
import type { PolicyTarget } from '../../targets.ts';
import { pickOne } from '../../ui/pick.ts';
import type { Choice } from '../../ui/pick.ts';
import { editedText } from '../policy-text.ts';

/** Which policies a command is for. */
export type PolicyNeed = 'file' | 'applied';

/** The policy of a file. */
export type FilePolicy = PolicyEntry & { readonly file: PolicyFile };
/** A policy that the daemon carries out. */
export type CarriedPolicy = PolicyEntry & { readonly applied: AppliedPolicy };

/** The policy that has a file: of the target, of the editor, or of a list. Throws `TM7002` when the target's has none. */
export async function askPolicyFile(app: App, target: PolicyTarget | undefined, title: string): Promise<FilePolicy> {
  const entry = await askPolicy(app, target, title, 'file');
  if (hasFile(entry)) return entry;
  throw new TidemarkError(
    errorCodes.policyNotFound,
    vscode.l10n.t('No file of this workspace has the policy {0}.', entry.name),
  );
}

/** The applied policy: of the target, of the editor, or of a list. Throws `TM7002` when the target's is not applied. */
export async function askAppliedPolicy(
  app: App,
  target: PolicyTarget | undefined,
  title: string,
): Promise<CarriedPolicy> {
  const entry = await askPolicy(app, target, title, 'applied');
  if (isApplied(entry)) return entry;
  throw new TidemarkError(errorCodes.policyNotFound, vscode.l10n.t('Policy {0} is not applied.', entry.name), {
    hint: vscode.l10n.t('Apply its file first.'),
  });
}

/** The policy of the target, else of the editor that has the focus, else one of those that fit. */
export async function askPolicy(
  app: App,
  target: PolicyTarget | undefined,
  title: string,
  need: PolicyNeed,
): Promise<PolicyEntry> {
  const entries = await app.policies.read();
  const uri = target?.policyUri ?? (target?.policyName === undefined ? editorUri() : undefined);
  if (uri !== undefined)
    return entries.find(({ file }) => file?.uri === uri) ?? (await policyOutside(app, vscode.Uri.parse(uri, true)));
  if (target?.policyName !== undefined) {
    const found = entries.find(({ name, named }) => named && name === target.policyName);
    if (found !== undefined) return found;
    throw new TidemarkError(errorCodes.policyNotFound, vscode.l10n.t('There is no policy {0}.', target.policyName));
  }
  return pickPolicy(entries.filter(need === 'file' ? hasFile : isApplied), title, need);
}

async function pickPolicy(entries: readonly PolicyEntry[], title: string, need: PolicyNeed): Promise<PolicyEntry> {
  if (entries.length === 0) {
    throw new TidemarkError(
      errorCodes.policyNotFound,
      need === 'file' ? vscode.l10n.t('There is no policy file.') : vscode.l10n.t('No policy is applied.'),
      { hint: need === 'file' ? vscode.l10n.t('Make one with New Policy.') : vscode.l10n.t('Apply a policy first.') },
    );
  }
  return pickOne({ title, placeholder: vscode.l10n.t('Which policy'), choices: entries.map(policyChoice) });
}

/** A file that is open and in no folder of the workspace. */
async function policyOutside({ stores }: App, uri: vscode.Uri): Promise<PolicyEntry> {
  const folder = vscode.Uri.joinPath(uri, '..').toString();
  const content = contentOf(await editedText(uri));
  const file = { uri: uri.toString(), path: uri.path, folderUri: folder, folderName: '', content };
  const [entry] = joinPolicies([file], stores.policies.policies.value, policySuffix).filter(hasFile);
  if (entry === undefined) throw new TidemarkError(errorCodes.internal, 'A file became no policy.');
  return entry;
}

function editorUri(): string | undefined {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === policyLanguageId ? document.uri.toString() : undefined;
}

function policyChoice(entry: PolicyEntry): Choice<PolicyEntry> {
  const states: Readonly<Record<PolicyEntry['state'], string>> = {
    applied: vscode.l10n.t('applied'),
    changed: vscode.l10n.t('changed on disk'),
    'not-applied': vscode.l10n.t('not applied'),
    'file-missing': vscode.l10n.t('no file here'),
    unknown: '',
  };
  return {
    label: entry.name,
    description: [states[entry.state], entry.file?.path ?? ''].filter((text) => text !== '').join(' · '),
    iconPath: new vscode.ThemeIcon('checklist'),
    value: entry,
  };
}

const hasFile = (entry: PolicyEntry): entry is FilePolicy => entry.file !== undefined;
const isApplied = (entry: PolicyEntry): entry is CarriedPolicy => entry.applied !== undefined;
