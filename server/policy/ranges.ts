/** Where the parts of a parsed file are. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Node } from 'yaml';

import type { TextRange } from './diagnostic.ts';
import type { PolicyPath } from './schema/schema.ts';

/** What of an entry is meant: `servers: [a]` is the entry, `servers` its key, `[a]` its value. */
export type PlacePart = 'key' | 'value' | 'entry';

/** The node at a path. */
export function nodeAt(root: unknown, path: PolicyPath): Node | undefined {
  let node = root;
  for (const part of path) {
    if (isMap(node)) node = node.items.find((pair) => isScalar(pair.key) && pair.key.value === part)?.value;
    else if (isSeq(node) && typeof part === 'number') node = node.items[part];
    else return undefined;
  }
  return isScalar(node) || isMap(node) || isSeq(node) ? node : undefined;
}

/** Where a part of the text is; undefined when it is not there. */
export function rangeAt(text: string, root: unknown, path: PolicyPath, part: PlacePart): TextRange | undefined {
  const value = rangeOfNode(text, nodeAt(root, path));
  const last = path.at(-1);
  if (part === 'value' || typeof last !== 'string') return value;
  const parent = nodeAt(root, path.slice(0, -1));
  const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === last) : undefined;
  const key = isScalar(pair?.key) ? rangeOfNode(text, pair.key) : undefined;
  if (part === 'key' || key === undefined) return key;
  return { start: key.start, end: value?.end ?? key.end };
}

/** Where a node's own text is, without comments and line ends behind it. An empty value has no place of its own. */
export function rangeOfNode(text: string, node: Node | null | undefined): TextRange | undefined {
  const range = node?.range;
  if (range === undefined || range === null || range[0] === range[1]) return undefined;
  const start = range[0];
  const end = lastOf(node)?.range?.[1] ?? range[1];
  return { start, end: start + text.slice(start, end).trimEnd().length };
}

/** The node that a block ends with: what the parser calls the end of a block is where the next thing begins. */
function lastOf(node: Node | null | undefined): Node | null | undefined {
  let last = node;
  for (;;) {
    if (isMap(last) && last.flow !== true) {
      const pair = last.items.at(-1);
      const end = isPresent(pair?.value) ? pair.value : pair?.key;
      if (!isPresent(end)) return last;
      last = end;
    } else if (isSeq(last) && last.flow !== true) {
      const end = last.items.findLast(isPresent);
      if (!isPresent(end)) return last;
      last = end;
    } else return last;
  }
}

/** Whether there is a node that has a text. */
function isPresent(node: unknown): node is Node {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return false;
  return node.range !== undefined && node.range !== null && node.range[0] < node.range[1];
}
