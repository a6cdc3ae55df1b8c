import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fold, paragraph } from '../../../server/cli/fold.ts';
import { FakeTerminal } from './fake-terminal.ts';

test('Words are put into lines of the width; a longer word has a line of its own and nothing is lost', () => {
  const words = 'it opens the repository when the password-that-is-long is lost'.split(' ');
  const lines = fold(words, 16);
  assert.deepEqual(lines, ['it opens the', 'repository when', 'the', 'password-that-is-long', 'is lost']);
  assert.deepEqual(fold([''], 10), ['']);
});

test('A paragraph is folded on a terminal, and one line in a pipe', () => {
  const text = 'The agent cannot be reached.';
  const narrow = new FakeTerminal({ interactive: true, columns: 20 });
  assert.equal(paragraph(narrow, text, '  '), '  The agent cannot\n  be reached.\n');
  assert.equal(paragraph(new FakeTerminal({ columns: 20 }), text, '  '), `  ${text}\n`);
  assert.equal(paragraph(narrow, 'one\ntwo'), 'one\ntwo\n');
});

test('Of an answer of a host the terminal obeys nothing', () => {
  const text = 'No VM \u001B[2J\rx.\nTry again.';
  assert.equal(paragraph(new FakeTerminal({ columns: 20 }), text), 'No VM \uFFFD[2J\uFFFDx.\nTry again.\n');
});
