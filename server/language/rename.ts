/** Renaming the policy. What is applied keeps its name until the file is applied under the new one. */
import type { Position, Range, WorkspaceEdit } from 'vscode-languageserver';

import { writtenText } from '../policy/schema/write.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { policyName } from '../protocol/ids.ts';
import { appliedOf } from './context.ts';
import type { LanguageContext } from './context.ts';
import { rangeIn } from './document.ts';
import type { PolicyDocument } from './document.ts';
import { nodeAt } from './syntax/path.ts';

/** Where the name is, when the cursor is in it or in its key. */
export function prepareRename(
  document: PolicyDocument,
  position: Position,
): { readonly range: Range; readonly placeholder: string } | undefined {
  const { source, text } = document;
  const node = nodeAt(source.document, text.offsetAt(position));
  const range = source.rangeOf(['name']);
  if (node?.path.length !== 1 || node.path[0] !== 'name' || range === undefined) return undefined;
  return { range: rangeIn(document, range), placeholder: source.writtenAt(['name']) ?? '' };
}

/** A renaming, and what is to be told about it. */
export interface Renaming {
  readonly edit: WorkspaceEdit;
  readonly notice: string | undefined;
}

/** Throws `TM1001` when the policy cannot have that name, or the cursor is not in its name. */
export function rename(
  document: PolicyDocument,
  position: Position,
  newName: string,
  context: LanguageContext,
): Renaming {
  const place = prepareRename(document, position);
  if (place === undefined) {
    throw new TidemarkError(errorCodes.invalidInput, 'Only the name of the policy can be renamed.');
  }
  const name = policyName(newName, 'The new name');
  const applied = appliedOf(place.placeholder, context);
  const notice =
    applied === undefined || name === place.placeholder
      ? undefined
      : `The policy "${applied.name}" stays applied under its old name. Apply this file, then delete "${applied.name}".`;
  return { edit: { changes: { [document.text.uri]: [{ range: place.range, newText: writtenText(name) }] } }, notice };
}
