/** The filter of a view: words that must all be found. */
import { matchesGlob } from '../../../server/base/glob.ts';

/** Longest filter that is looked at. */
const maxLength = 256;

/** What a view is filtered by. */
export interface TextFilter {
  /** As the user wrote it, without space around it; empty when everything is shown. */
  readonly text: string;
  readonly active: boolean;
  /** Whether every word is found in one of the fields. A word with `*` or `?` is a pattern for a whole field; case does not count. */
  readonly matches: (...fields: readonly string[]) => boolean;
}

/** A filter of what the user wrote. */
export function textFilter(written: string): TextFilter {
  const text = written.trim().slice(0, maxLength);
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return {
    text,
    active: words.length > 0,
    matches: (...fields) => words.every((word) => fields.some((field) => found(word, field.toLowerCase()))),
  };
}

function found(word: string, field: string): boolean {
  return /[*?]/.test(word) ? matchesGlob(word, field) : field.includes(word);
}
