/** Changes to the text of a policy that leave the rest of it, comments too, as it is. Undefined where that cannot be done safely. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Pair, YAMLMap } from 'yaml';

import type { Fix, TextRange } from '../diagnostic.ts';
import type { PolicyPath } from '../schema/schema.ts';
import { writtenText } from '../schema/write.ts';
import type { PolicySource } from '../source.ts';
import { insertBelow, lineStart, removeLines } from '../text-edits.ts';
import type { Edit } from '../text-edits.ts';

/** Puts a text in place of the scalar at `path`. */
export function replaceText(source: PolicySource, path: PolicyPath, text: string): Edit | undefined {
  const range = source.rangeOf(path);
  // A text over several lines has its own layout.
  if (range === undefined || source.text.slice(range.start, range.end).includes('\n')) return undefined;
  return { range, text: writtenText(text) };
}

/** Puts another key in place of the one at `path`. */
export function renameKey(source: PolicySource, path: PolicyPath, key: string): Edit | undefined {
  const range = source.rangeOf(path, 'key');
  return range === undefined ? undefined : { range, text: key };
}

/** Takes out one item of a list of several. */
export function removeItem(source: PolicySource, listPath: PolicyPath, index: number): Edit | undefined {
  const list = source.nodeAt(listPath);
  if (!isSeq(list) || list.items.length < 2) return undefined;
  const range = source.rangeOf([...listPath, index]);
  if (range === undefined) return undefined;
  if (list.flow !== true) return removeLines(source.text, range, /^[ \t]*-[ \t]*$/);
  return betweenCommas(source, range, index === 0, source.rangeOf([...listPath, index === 0 ? 1 : index - 1]));
}

/** Takes out one item, with the key of the list when it is the only one. */
export function removeItemOrList(source: PolicySource, listPath: PolicyPath, index: number): Edit | undefined {
  const list = source.nodeAt(listPath);
  if (!isSeq(list)) return undefined;
  return list.items.length === 1 ? removeKey(source, listPath) : removeItem(source, listPath, index);
}

/** Takes out a key with its value. */
export function removeKey(source: PolicySource, path: PolicyPath): Edit | undefined {
  const range = source.rangeOf(path, 'entry');
  const parent = source.nodeAt(path.slice(0, -1));
  if (range === undefined || !isMap(parent)) return undefined;
  if (parent.flow !== true) {
    const others = parent.items.length > 1;
    return others ? removeLines(source.text, range, /^[ \t]*$/) : undefined;
  }
  const keys = keysOf(parent);
  const at = keys.findIndex((key) => key === path.at(-1));
  const neighbour = keys[at === 0 ? 1 : at - 1];
  const other = neighbour === undefined ? undefined : source.rangeOf([...path.slice(0, -1), neighbour], 'entry');
  return other === undefined ? undefined : betweenCommas(source, range, at === 0, other);
}

/** Adds texts to the end of a list. */
export function addItems(source: PolicySource, listPath: PolicyPath, texts: readonly string[]): Edit | undefined {
  const list = source.nodeAt(listPath);
  const last = isSeq(list) ? source.rangeOf([...listPath, list.items.length - 1]) : undefined;
  if (!isSeq(list) || last === undefined) return undefined;
  const items = texts.map(writtenText);
  if (list.flow === true)
    return { range: { start: last.end, end: last.end }, text: items.map((item) => `, ${item}`).join('') };
  const start = lineStart(source.text, last.start);
  const dash = /^[ \t]*-[ \t]+$/.exec(source.text.slice(start, last.start));
  return dash === null
    ? undefined
    : insertBelow(
        source.text,
        last.end,
        items.map((item) => `${dash[0]}${item}`),
      );
}

/** Adds a key behind the one at `path`, in the same mapping. `lines` are those of a block, the first with the key; `flow` is the same in braces. */
export function addKeyAfter(
  source: PolicySource,
  path: PolicyPath,
  { lines, flow }: { readonly lines: readonly string[]; readonly flow?: string },
): Edit | undefined {
  const range = source.rangeOf(path, 'entry');
  const parent = source.nodeAt(path.slice(0, -1));
  if (range === undefined || !isMap(parent)) return undefined;
  if (parent.flow === true)
    return flow === undefined ? undefined : { range: { start: range.end, end: range.end }, text: `, ${flow}` };
  const key = parent.items.find((pair) => keyOf(pair) === path.at(-1))?.key;
  const start = isScalar(key) ? key.range?.[0] : undefined;
  if (start === undefined) return undefined;
  const indent = source.text.slice(lineStart(source.text, start), start).replace(/[^ \t]/g, ' ');
  return insertBelow(
    source.text,
    range.end,
    lines.map((line) => `${indent}${line}`),
  );
}

/** A fix of the edits that could be made; empty when one could not. */
export function fixOf(title: string, edits: readonly (Edit | undefined)[], preferred = false): readonly Fix[] {
  const made = edits.flatMap((edit) => (edit === undefined ? [] : [edit]));
  if (made.length === 0 || made.length < edits.length) return [];
  return [preferred ? { title, edits: made, preferred } : { title, edits: made }];
}

function keyOf({ key }: Pair): string | undefined {
  return isScalar(key) && typeof key.value === 'string' ? key.value : undefined;
}

function keysOf(map: YAMLMap): readonly (string | undefined)[] {
  return map.items.map(keyOf);
}

/** From the neighbour in front to the end of this one, or, for the first, up to the neighbour behind. */
function betweenCommas(
  { text }: PolicySource,
  range: TextRange,
  first: boolean,
  neighbour: TextRange | undefined,
): Edit | undefined {
  if (neighbour === undefined) return undefined;
  const removed = first ? { start: range.start, end: neighbour.start } : { start: neighbour.end, end: range.end };
  // A comment between them is nobody's to remove.
  return text.slice(removed.start, removed.end).includes('#') && text.slice(removed.start, removed.end).includes('\n')
    ? undefined
    : { range: removed, text: '' };
}
