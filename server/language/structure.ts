/** The outline of a policy, what can be folded, and what selections grow to. */
import { FoldingRangeKind, SymbolKind } from 'vscode-languageserver';
import type { DocumentSymbol, FoldingRange, Position, SelectionRange } from 'vscode-languageserver';
import { isMap, isScalar, isSeq } from 'yaml';
import type { Node, Pair } from 'yaml';

import type { TextRange } from '../policy/index.ts';
import { isTooLarge, rangeIn } from './document.ts';
import type { PolicyDocument } from './document.ts';
import { tokensOf } from './syntax/tokens.ts';
import { cronWords } from './words/cron.ts';
import { listText } from './words/text.ts';

/** Nobody looks for more. */
const maxSymbols = 5000;

/** The keys of the policy; under lists their entries, called after what they begin with. */
export function documentSymbols(document: PolicyDocument): DocumentSymbol[] {
  const root = document.source.document?.contents;
  return isMap(root) ? root.items.slice(0, maxSymbols).flatMap((pair) => symbolOf(document, pair)) : [];
}

function symbolOf(document: PolicyDocument, { key, value }: Pair): DocumentSymbol[] {
  const own = textRange(key);
  if (!isScalar(key) || own === undefined) return [];
  const range = { start: own.start, end: Math.max(own.end, textRange(value)?.end ?? 0) };
  const children = childrenOf(document, value);
  return [
    {
      name: String(key.value) || '""',
      kind: isSeq(value) ? SymbolKind.Array : isMap(value) ? SymbolKind.Object : SymbolKind.Property,
      ...(isScalar(value) ? { detail: scalarText(value) } : {}),
      range: rangeIn(document, trimmed(document, range)),
      selectionRange: rangeIn(document, own),
      ...(children.length === 0 ? {} : { children }),
    },
  ];
}

function childrenOf(document: PolicyDocument, value: unknown): DocumentSymbol[] {
  if (isMap(value)) return value.items.flatMap((pair) => (isScalar(pair.value) ? symbolOf(document, pair) : []));
  if (!isSeq(value)) return [];
  return value.items.flatMap((item) => {
    const own = textRange(item);
    if (!isMap(item) || own === undefined) return [];
    const range = rangeIn(document, trimmed(document, own));
    const [first, second] = item.items.map((pair) => scalarText(pair.value));
    const name = first === undefined || first === '' ? 'entry' : first;
    const detail = cronWords(name) ?? second ?? '';
    return [{ name, kind: SymbolKind.Object, detail, range, selectionRange: range }];
  });
}

function scalarText(node: unknown): string {
  if (isSeq(node)) return listText(node.items.slice(0, 5).map(scalarText));
  if (!isScalar(node)) return '';
  return (typeof node.value === 'string' ? node.value : (node.source ?? '')).slice(0, 100);
}

/** Keys whose values go over several lines, and blocks of comments. */
export function foldingRanges(document: PolicyDocument): FoldingRange[] {
  if (isTooLarge(document)) return [];
  const folds: FoldingRange[] = [];
  const add = (range: TextRange, kind?: FoldingRangeKind): void => {
    const { start, end } = rangeIn(document, trimmed(document, range));
    if (end.line > start.line)
      folds.push({ startLine: start.line, endLine: end.line, ...(kind === undefined ? {} : { kind }) });
  };
  for (const range of collections(document.source.document?.contents)) add(range);
  for (const range of commentBlocks(document)) add(range, FoldingRangeKind.Comment);
  return folds;
}

function* collections(node: unknown): Generator<TextRange> {
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      const [start, end] = [textRange(key)?.start, textRange(value)?.end];
      if (start !== undefined && end !== undefined) yield { start, end };
      yield* collections(value);
    }
  } else if (isSeq(node)) {
    for (const item of node.items) {
      const range = isScalar(item) ? undefined : textRange(item);
      if (range !== undefined) yield range;
      yield* collections(item);
    }
  }
}

function commentBlocks({ source, text }: PolicyDocument): readonly TextRange[] {
  const blocks: { start: number; end: number }[] = [];
  let lastLine = -2;
  for (const token of tokensOf(source.text)) {
    if (token.kind !== 'comment' || !token.first) continue;
    const { line } = text.positionAt(token.start);
    const last = blocks.at(-1);
    if (last !== undefined && line === lastLine + 1) last.end = token.end;
    else blocks.push({ start: token.start, end: token.end });
    lastLine = line;
  }
  return blocks;
}

/** From the word outwards: value, entry, mapping, file. */
export function selectionRanges(document: PolicyDocument, positions: readonly Position[]): SelectionRange[] {
  return positions.map((position) => {
    const offset = document.text.offsetAt(position);
    const whole = { start: 0, end: document.source.text.length };
    let selection: SelectionRange = { range: rangeIn(document, whole) };
    for (const range of around(document.source.document?.contents, offset)) {
      selection = { range: rangeIn(document, trimmed(document, range)), parent: selection };
    }
    return selection;
  });
}

/** What is around an offset, outermost first. */
function* around(node: unknown, offset: number): Generator<TextRange> {
  const own = textRange(node);
  if (own === undefined || offset < own.start || offset > own.end) return;
  yield own;
  if (isSeq(node)) for (const item of node.items) yield* around(item, offset);
  if (!isMap(node)) return;
  for (const { key, value } of node.items) {
    const [start, end] = [textRange(key)?.start, textRange(value)?.end ?? textRange(key)?.end];
    if (start === undefined || end === undefined || offset < start || offset > end) continue;
    yield { start, end };
    yield* around(key, offset);
    yield* around(value, offset);
  }
}

function textRange(node: unknown): TextRange | undefined {
  const [start, end] = isNode(node) ? (node.range ?? []) : [];
  return start === undefined || end === undefined || start === end ? undefined : { start, end };
}

function isNode(node: unknown): node is Node {
  return isScalar(node) || isMap(node) || isSeq(node);
}

/** Collections of YAML reach to where the next key begins. */
function trimmed({ source }: PolicyDocument, { start, end }: TextRange): TextRange {
  return { start, end: start + source.text.slice(start, end).trimEnd().length };
}
