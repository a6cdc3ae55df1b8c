/** Questions on the terminal. */
import { createInterface } from 'node:readline/promises';
import type { Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** The first line of standard input. Throws `TM1002` when there is none. */
export async function readStandardInputLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) {
      if (line !== '') return line;
      break;
    }
  } finally {
    lines.close();
  }
  throw new TidemarkError(errorCodes.invalidUsage, 'Standard input gave no password.', {
    hint: 'Its first line must be the password.',
  });
}

/** Asks without showing what is typed. Throws `TM1999` on Ctrl-C and Ctrl-D, `TM1002` for an empty answer. */
export async function readHiddenLine(question: string): Promise<string> {
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: hidden, terminal: true });
  process.stderr.write(`${question}: `);
  try {
    const answer = await answerOf(lines, '');
    if (answer === '') throw new TidemarkError(errorCodes.invalidUsage, 'No password was typed.');
    return answer;
  } finally {
    process.stderr.write('\n');
    lines.close();
  }
}

/** Asks a yes-or-no question; anything but `y` or `yes` is no. Throws `TM1999` on Ctrl-C and Ctrl-D. */
export async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await answerOf(lines, `${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

/** A line interface takes Ctrl-C for itself, and a closed one never answers: both end the question. */
async function answerOf(lines: Interface, question: string): Promise<string> {
  const given = new AbortController();
  const giveUp = (): void => given.abort();
  lines.once('SIGINT', giveUp);
  lines.once('close', giveUp);
  return lines.question(question, { signal: given.signal });
}
