/** Text that fits a terminal. */
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** Puts words into lines of at most `width` characters; a longer word has its own line. */
export function fold(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** A paragraph for people, ended: folded to the terminal with `indent` before each line, or one line where there is no terminal. Of names and answers of others a terminal obeys nothing. */
export function paragraph(terminal: Terminal, text: string, indent = ''): string {
  const width = terminal.interactive ? terminal.columns() - indent.length : Number.POSITIVE_INFINITY;
  return text
    .split('\n')
    .flatMap((line) => fold(printable(line).split(' '), width))
    .map((line) => `${indent}${line}\n`)
    .join('');
}
