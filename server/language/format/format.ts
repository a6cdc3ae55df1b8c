/**
 * Formatting: indentation, spaces and blank lines. Comments, quotes, the order of keys and the choice between blocks and brackets are
 * the author's. What the file means is compared before and after; when it differs, the file stays as it is.
 */
import { isDeepStrictEqual } from 'node:util';

import type { TextEdit } from 'vscode-languageserver';
import type { Document } from 'yaml';

import { diagnosticCodes, parsePolicy } from '../../policy/index.ts';
import type { DiagnosticCode } from '../../policy/index.ts';
import { isTooLarge, rangeIn } from '../document.ts';
import type { PolicyDocument } from '../document.ts';
import { tokensOf } from '../syntax/tokens.ts';
import type { Token } from '../syntax/tokens.ts';
import { Layout } from './layout.ts';
import { gapBetween } from './spaces.ts';

/** The edits that format a file; none when it is no valid YAML. */
export function format(document: PolicyDocument): TextEdit[] {
  if (isTooLarge(document)) return [];
  const { text } = document.source;
  const formatted = formatText(text);
  if (formatted === undefined || formatted === text) return [];
  let start = 0;
  while (start < text.length && text[start] === formatted[start]) start += 1;
  let kept = 0;
  const most = Math.min(text.length, formatted.length) - start;
  while (kept < most && text[text.length - 1 - kept] === formatted[formatted.length - 1 - kept]) kept += 1;
  const range = rangeIn(document, { start, end: text.length - kept });
  return [{ range, newText: formatted.slice(start, formatted.length - kept) }];
}

/** The formatted text; undefined when it is no valid YAML, or would not mean the same. */
export function formatText(text: string): string | undefined {
  const before = readable(text);
  if (before === undefined) return undefined;
  const lines = text.replaceAll('\r\n', '\n');
  const formatted = layOut(lines, tokensOf(lines));
  const after = readable(formatted);
  if (after === undefined || !meansTheSame(before, after)) return undefined;
  return text.includes('\r\n') ? formatted.replaceAll('\n', '\r\n') : formatted;
}

/** What keeps a text from being one document that means what it shows. */
const unreadable: ReadonlySet<DiagnosticCode> = new Set([
  diagnosticCodes.yamlSyntax,
  diagnosticCodes.yamlFeature,
  diagnosticCodes.severalDocuments,
  diagnosticCodes.tabIndent,
]);

function readable(text: string): Document | undefined {
  const { document, diagnostics } = parsePolicy(text);
  return diagnostics.some(({ code }) => unreadable.has(code)) ? undefined : document;
}

function meansTheSame(before: Document, after: Document): boolean {
  return isDeepStrictEqual(before.toJS(), after.toJS());
}

function layOut(text: string, tokens: readonly Token[]): string {
  const layout = new Layout();
  let written = '';
  let previous: Token | undefined;
  for (const [index, token] of tokens.entries()) {
    const column = columnOf(token, layout, () => behindComments(tokens, index));
    if (previous !== undefined) written += token.first ? lineBreaks(text, previous, token) : '';
    if (token.first) written += ' '.repeat(column);
    else if (previous !== undefined) written += gapBetween(text, previous, token);
    written += bodyOf(text, token, layout.shift);
    previous = token;
  }
  return written === '' ? '' : `${written}\n`;
}

function behindComments(tokens: readonly Token[], index: number): Token | undefined {
  let at = index + 1;
  while (tokens[at]?.kind === 'comment') at += 1;
  return tokens[at];
}

function columnOf(token: Token, layout: Layout, nextOf: () => Token | undefined): number {
  // Lines in brackets keep their shape.
  if (token.flow) {
    const least = layout.column + (token.kind === 'close' ? 0 : 1);
    return token.first ? Math.max(least, token.column + layout.shift) : 0;
  }
  if (token.kind !== 'comment') return layout.place(token);
  if (!token.first) return 0;
  const next = nextOf();
  const nextColumn = next === undefined || next.flow ? 0 : layout.copy().place(next);
  return layout.placeComment(token.column, next, nextColumn);
}

/** At most one empty line. */
function lineBreaks(text: string, previous: Token, token: Token): string {
  const between = text.slice(previous.end, token.start);
  return between.split('\n').length > 2 ? '\n\n' : '\n';
}

/** The lines of a block scalar move with their key; those in quotes mean the same wherever they begin. */
function bodyOf(text: string, token: Token, shift: number): string {
  const body = text.slice(token.start, token.end);
  if (token.kind !== 'block') return body;
  const [head = '', ...lines] = body.split('\n');
  const moved = lines.map((line) => {
    if (line.trim() === '') return '';
    const width = line.length - line.trimStart().length;
    return ' '.repeat(Math.max(0, width + shift)) + line.slice(width);
  });
  return [head.trimEnd(), ...moved].join('\n');
}
