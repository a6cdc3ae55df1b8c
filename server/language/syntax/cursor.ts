/** What could be written at a place of a policy file, valid or not: which key or value, of which mapping or list. */
import type { PolicyPath } from './path.ts';
import { Outline } from './outline.ts';
import type { Frame } from './outline.ts';
import { lineEndAt, lineStartAt, tokensOf } from './tokens.ts';
import type { Token } from './tokens.ts';

/** One thing that could be written. */
export type Place =
  /** A key of the mapping at `path`. */
  | {
      readonly kind: 'key';
      readonly path: PolicyPath;
      /** Keys that the mapping has elsewhere. */
      readonly present: readonly string[];
      readonly flow: boolean;
      /** A colon follows already. */
      readonly hasColon: boolean;
      /** Column of the keys of this mapping. */
      readonly column: number;
      /** What to write first. */
      readonly lead: string;
    }
  /** The value at `path`: of a key, or an entry of a list. */
  | {
      readonly kind: 'value';
      readonly path: PolicyPath;
      readonly flow: boolean;
      /** Column of the key or the dash it is of. */
      readonly column: number;
      readonly lead: string;
    }
  /** A new entry of the list at `path`, dash included. */
  | { readonly kind: 'item'; readonly path: PolicyPath; readonly index: number; readonly column: number };

/** The place of a cursor. */
export interface Cursor {
  /** Most likely first; empty in comments and where nothing can be written. */
  readonly places: readonly Place[];
  /** The word under the cursor: what is written there replaces it. */
  readonly word: { readonly start: number; readonly end: number };
  /** That word up to the cursor. */
  readonly typed: string;
  /** Single values of the file by their place, as they are written without quotes. */
  readonly outline: Outline;
}

/** What is at an offset of a text. */
export function cursorAt(text: string, offset: number): Cursor {
  const tokens = tokensOf(text);
  const outline = new Outline(text);
  const at = tokens.findIndex((token) => token.end >= offset && token.kind !== 'comma' && token.kind !== 'colon');
  const touching = tokens.findLastIndex((token) => token.start < offset && token.end >= offset && isWord(token));
  const beginning = tokens.findIndex((token) => token.start === offset && isWord(token));
  const index = touching >= 0 ? touching : beginning;
  const current = tokens[index];
  const before = current === undefined ? tokens.filter((token) => token.end <= offset).length : index;
  for (const token of tokens.slice(0, before)) outline.add(token);
  const inComment = at >= 0 && covers(tokens[at], offset);
  const places = inComment ? [] : placesAt({ text, offset, outline, current, previous: tokens[before - 1] });
  for (const token of tokens.slice(before)) outline.add(token);
  const word = current === undefined ? { start: offset, end: offset } : { start: current.start, end: current.end };
  return {
    places: places.map((place) => withKeys(place, outline)),
    word,
    typed: text.slice(word.start, offset),
    outline,
  };
}

function isWord({ kind }: Token): boolean {
  return kind === 'key' || kind === 'scalar';
}

/** Inside a comment or a block scalar nothing is offered. */
function covers(token: Token | undefined, offset: number): boolean {
  return token !== undefined && (token.kind === 'comment' || token.kind === 'block') && token.start < offset;
}

interface Situation {
  readonly text: string;
  readonly offset: number;
  /** Has everything before the cursor. */
  readonly outline: Outline;
  /** The word that the cursor touches. */
  readonly current: Token | undefined;
  /** What stands before that, or before the cursor. */
  readonly previous: Token | undefined;
}

function placesAt(situation: Situation): readonly Place[] {
  const { text, offset, outline, current, previous } = situation;
  const start = current?.start ?? offset;
  const lineStart = lineStartAt(text, start);
  const sameLine = previous !== undefined && previous.end > lineStart;
  const { top } = outline;
  const ended = current === undefined ? !sameLine && start - lineStart <= outline.blockColumn : !current.flow;
  if (top?.flow === true && !ended) return inFlow(top, situation);
  const lead = sameLine && previous.end === offset && previous.kind !== 'key' ? ' ' : '';
  if (!sameLine) return onNewLine(situation, start - lineStart);
  if (previous.kind === 'colon' && top?.kind === 'map') {
    return [{ kind: 'value', path: outline.pathOf(top), flow: false, column: top.column, lead }];
  }
  if (previous.kind === 'dash' && top?.kind === 'list') return entry(top, situation, lead);
  return [];
}

/** Behind a dash: the entry itself, or the first key of a mapping that is one. */
function entry(top: Frame, { outline, current }: Situation, lead: string): readonly Place[] {
  const path = outline.pathOf(top);
  const hasColon = current?.kind === 'key';
  const column = top.column + 2;
  return [
    { kind: 'value', path, flow: false, column: top.column, lead },
    { kind: 'key', path, present: [], flow: false, hasColon, column, lead },
  ];
}

function inFlow(top: Frame, { outline, current, previous, offset }: Situation): readonly Place[] {
  // Behind a closing bracket or a word only a comma can come.
  const complete = previous?.kind === 'close' || previous?.kind === 'scalar' || previous?.kind === 'key';
  if (complete) return [];
  const glued = previous !== undefined && previous.end === offset;
  if (top.kind === 'list') {
    const path = outline.pathOf(top);
    const lead = glued && previous.kind === 'comma' ? ' ' : '';
    return [{ kind: 'value', path, flow: true, column: top.column, lead }];
  }
  if (top.pending && current?.kind !== 'key') {
    return [{ kind: 'value', path: outline.pathOf(top), flow: true, column: top.column, lead: glued ? ' ' : '' }];
  }
  const hasColon = current?.kind === 'key';
  const lead = glued && current === undefined ? ' ' : '';
  return [{ kind: 'key', path: top.path, present: [], flow: true, hasColon, column: top.column, lead }];
}

/** The cursor, or the word it touches, is the first of its line: the column says where it belongs. */
function onNewLine({ text, offset, outline, current }: Situation, column: number): readonly Place[] {
  // Between the indentation and what the line has already.
  if (current === undefined && text.slice(offset, lineEndAt(text, offset)).trim() !== '') return [];
  const hasColon = current?.kind === 'key';
  const key = (path: PolicyPath, at: number, lead = ''): Place => ({
    kind: 'key',
    path,
    present: [],
    flow: false,
    hasColon,
    column: at,
    lead,
  });
  const { inner, outer, left } = outline.framesAt(column);
  if (inner === undefined) return [key([], column)];
  if (inner.kind === 'list') {
    if (inner.column < column) return inner.pending ? [key(outline.pathOf(inner), column)] : [];
    const item: Place = { kind: 'item', path: inner.path, index: inner.index + 1, column };
    // The editor puts the cursor under the dash; more often than a new entry, the rest of this one is wanted.
    const rest = left?.kind === 'map' && left.path.length === inner.path.length + 1 ? left : undefined;
    return [
      ...(rest === undefined ? [] : [key(rest.path, rest.column, ' '.repeat(Math.max(0, rest.column - column)))]),
      item,
      // Dashes may stand under the key that the list is of: then this can be the next key as well.
      ...(outer?.kind === 'map' && outer.column === column ? [key(outer.path, column)] : []),
    ];
  }
  const value = outline.pathOf(inner);
  const below: readonly Place[] = inner.pending ? [{ kind: 'item', path: value, index: 0, column }] : [];
  if (inner.column === column) return [key(inner.path, column), ...below];
  return inner.pending
    ? [key(value, column), ...below, { kind: 'value', path: value, flow: false, column: inner.column, lead: '' }]
    : [];
}

function withKeys(place: Place, outline: Outline): Place {
  return place.kind === 'key' ? { ...place, present: outline.keysOf(place.path) } : place;
}
