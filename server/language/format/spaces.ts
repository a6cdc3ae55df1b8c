/** Spaces between words of one line. */
import type { Token } from '../syntax/tokens.ts';

/** What stands between two words: `{ a: 1 }`, `[a, b]`, `- a`, `a: b`. Comments keep their distance. */
export function gapBetween(text: string, previous: Token, token: Token): string {
  const gap = text.slice(previous.end, token.start);
  if (token.kind === 'comment') return gap === '' ? ' ' : gap;
  if (token.kind === 'colon' || token.kind === 'comma') return '';
  if (previous.kind === 'dash' || previous.kind === 'colon' || previous.kind === 'comma') return ' ';
  const opens = previous.kind === 'open';
  const closes = token.kind === 'close';
  if (opens && closes) return '';
  if (opens) return text[previous.start] === '{' ? ' ' : '';
  if (closes) return text[token.start] === '}' ? ' ' : '';
  return gap;
}
