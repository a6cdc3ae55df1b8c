import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chosenPassword } from '../../../server/cli/agent-password.ts';

/** Answers questions one after the other, and says which were asked. */
function answering(...answers: readonly string[]): {
  readonly asked: string[];
  readonly ask: (question: string) => Promise<string>;
} {
  const asked: string[] = [];
  const left = [...answers];
  return {
    asked,
    ask: async (question) => {
      asked.push(question);
      return left.shift() ?? '';
    },
  };
}

test('a password that is typed is asked for twice, and taken when it is the same', async () => {
  const terminal = answering('a long random password', 'a long random password');
  assert.equal(await chosenPassword(terminal.ask, { typed: true }), 'a long random password');
  assert.deepEqual(terminal.asked, ['Password that daemons must know', 'The same password again']);
});

test('a slip of the hand is found before anybody is locked out', async () => {
  const terminal = answering('a long random password', 'a long random passwort');
  await assert.rejects(chosenPassword(terminal.ask, { typed: true }), { code: 'TM1002', message: /not the same/ });
});

test('a password from a file is read once', async () => {
  const file = answering('a long random password');
  assert.equal(await chosenPassword(file.ask, { typed: false }), 'a long random password');
  assert.equal(file.asked.length, 1);
});

test('a password of less than 12 characters is refused, wherever it comes from', async () => {
  for (const typed of [true, false]) {
    const short = answering('elevenchars', 'elevenchars');
    await assert.rejects(chosenPassword(short.ask, { typed }), { code: 'TM1002', message: /shorter than 12/ });
    assert.equal(short.asked.length, 1);
  }
});
