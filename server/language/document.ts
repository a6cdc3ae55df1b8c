/** An open policy file, parsed once per version. */
import type { Range } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';

import { maxPolicyBytes, parsePolicy } from '../policy/index.ts';
import type { PolicySource, TextRange } from '../policy/index.ts';

export interface PolicyDocument {
  readonly text: TextDocument;
  readonly source: PolicySource;
}

/** Parses a document. Never throws, whatever is in it. */
export function policyDocument(text: TextDocument): PolicyDocument {
  return { text, source: parsePolicy(text.getText()) };
}

/** Offsets as the editor wants them. */
export function rangeIn({ text }: PolicyDocument, { start, end }: TextRange): Range {
  return { start: text.positionAt(start), end: text.positionAt(end) };
}

/** Whether the file is larger than any policy: then only its diagnostic is of use. */
export function isTooLarge({ source }: PolicyDocument): boolean {
  return source.text.length > maxPolicyBytes;
}
