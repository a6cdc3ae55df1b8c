/** Changes to texts of which only lines are known. */
import type { Fix, TextRange } from './diagnostic.ts';

export type Edit = Fix['edits'][number];

/** Where the line begins that `at` is in. */
export function lineStart(text: string, at: number): number {
  return at <= 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1;
}

/** Where the text of the line ends that `at` is in: before its end of line. */
export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  if (end < 0) return text.length;
  return end > at && text[end - 1] === '\r' ? end - 1 : end;
}

/** Adds lines below the one that `at` is in. */
export function insertBelow(text: string, at: number, lines: readonly string[]): Edit {
  const end = lineEnd(text, at);
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  return { range: { start: end, end }, text: lines.map((line) => `${newline}${line}`).join('') };
}

/** Takes out the lines of a range, with a comment behind it; undefined when anything but `before` stands in front of it or anything else behind it. */
export function removeLines(text: string, range: TextRange, before: RegExp): Edit | undefined {
  const start = lineStart(text, range.start);
  const end = lineEnd(text, range.end);
  const isAlone = before.test(text.slice(start, range.start)) && /^[ \t]*(?:#.*)?$/.test(text.slice(range.end, end));
  if (!isAlone) return undefined;
  const next = text.indexOf('\n', end);
  return { range: { start, end: next < 0 ? text.length : next + 1 }, text: '' };
}
