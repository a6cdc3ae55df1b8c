/** Places of a policy file: keys of mappings and indexes of lists. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Document, Node } from 'yaml';

import type { TextRange } from '../../policy/index.ts';

/** The place of a value, from the whole file inwards. */
export type PolicyPath = readonly (string | number)[];

/** What of a parsed file an offset is in. */
export interface NodeAt {
  readonly path: PolicyPath;
  /** Whether it is in the key of that place and not in its value. */
  readonly inKey: boolean;
  /** The word: the key, or the single value. */
  readonly range: TextRange;
  /** What the value is, for a single value. */
  readonly value: unknown;
}

/** The key or single value that an offset touches; undefined between words and in comments. */
export function nodeAt(document: Document | undefined, offset: number): NodeAt | undefined {
  return document === undefined ? undefined : find(document.contents, offset, []);
}

function find(node: unknown, offset: number, path: PolicyPath): NodeAt | undefined {
  if (isScalar(node)) {
    const range = touching(node, offset);
    return range === undefined ? undefined : { path, inKey: false, range, value: node.value };
  }
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      if (!isScalar(key) || typeof key.value !== 'string') continue;
      const place = [...path, key.value];
      const range = touching(key, offset);
      if (range !== undefined) return { path: place, inKey: true, range, value: undefined };
      const found = within(value, offset) ? find(value, offset, place) : undefined;
      if (found !== undefined) return found;
    }
  }
  if (isSeq(node)) {
    const index = node.items.findIndex((item) => within(item, offset));
    return index < 0 ? undefined : find(node.items[index], offset, [...path, index]);
  }
  return undefined;
}

/** Where a node's own text is; undefined when the offset is not in it. */
function touching(node: Node, offset: number): TextRange | undefined {
  const [start, end] = node.range ?? [];
  if (start === undefined || end === undefined || start === end || offset < start || offset > end) return undefined;
  return { start, end };
}

function within(node: unknown, offset: number): boolean {
  return (isScalar(node) || isMap(node) || isSeq(node)) && touching(node, offset) !== undefined;
}

/** The single values of a parsed file that touch a part of it, in their order, and where each ends. */
export function* scalarPaths(
  document: Document | undefined,
  shown: TextRange,
): Generator<{ readonly path: PolicyPath; readonly end: number }> {
  if (document !== undefined) yield* scalarsOf(document.contents, [], shown);
}

function* scalarsOf(
  node: unknown,
  path: PolicyPath,
  shown: TextRange,
): Generator<{ readonly path: PolicyPath; readonly end: number }> {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return;
  const [start = 0, end = 0] = node.range ?? [];
  if (end < shown.start || start > shown.end) return;
  if (isScalar(node)) yield { path, end };
  else if (isSeq(node))
    for (const [index, item] of node.items.entries()) yield* scalarsOf(item, [...path, index], shown);
  else {
    for (const { key, value } of node.items) {
      if (isScalar(key) && typeof key.value === 'string') yield* scalarsOf(value, [...path, key.value], shown);
    }
  }
}
