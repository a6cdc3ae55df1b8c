/** Reads settings, typed. A value that does not fit counts as not set. */
import * as vscode from 'vscode';

import type { Parser } from '../../server/protocol/parse.ts';
import { settings } from '../contributions.ts';
import type { SettingId, SettingValue } from '../contributions.ts';

/** The value of a setting for this window. */
export function readSetting<Id extends SettingId>(id: Id): SettingValue<Id> {
  const declared: { readonly parse: Parser<unknown>; readonly fallback: unknown } = settings[id];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table gives `id` its parser and its fallback
  return parsed(declared, vscode.workspace.getConfiguration().get<unknown>(id)) as SettingValue<Id>;
}

function parsed(declared: { readonly parse: Parser<unknown>; readonly fallback: unknown }, value: unknown): unknown {
  if (value === undefined || value === null) return declared.fallback;
  try {
    return declared.parse(value, '');
  } catch {
    // The Settings editor marks the wrong value; the extension goes on with the default.
    return declared.fallback;
  }
}

/** Calls `listener` when one of these settings changes. */
export function onSettingChange(ids: readonly SettingId[], listener: () => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (ids.some((id) => event.affectsConfiguration(id))) listener();
  });
}
