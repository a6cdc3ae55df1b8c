import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  commandProblem,
  commandWords,
  newPasswordProblem,
  passwordProblem,
  strengthOf,
  strengthText,
} from '../../../../client/commands/flows/password.ts';

test('A short, empty or monotonous password is refused for a new repository', () => {
  for (const text of ['', 'short', '1234567', 'aaaaaaaaaaaa', 'abababababab'])
    assert.ok(newPasswordProblem(text), text);
  assert.equal(newPasswordProblem('correct horse'), undefined);
});

test('A password that exists already is only refused when it cannot be one', () => {
  assert.equal(passwordProblem('x'), undefined);
  assert.ok(passwordProblem(''));
  assert.ok(passwordProblem('x'.repeat(1025)));
});

test('A longer password is never called weaker', () => {
  const order = ['weak', 'fair', 'good'];
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, more) => {
      assert.ok(order.indexOf(strengthOf(text + more)) >= order.indexOf(strengthOf(text)));
    }),
  );
  assert.equal(strengthOf('password'), 'weak');
  assert.equal(strengthOf('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), 'weak');
  assert.equal(strengthOf('Tr0ub4dor&3xyz-and-more'), 'good');
});

test('The hint about the strength never holds the password', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 12 }), (password) => {
      assert.ok(!strengthText(password).includes(password));
    }),
  );
});

test('A command is split at blanks outside of double quotes', () => {
  assert.deepEqual(commandWords('/usr/bin/pass show "my repo" ""'), ['/usr/bin/pass', 'show', 'my repo', '']);
  assert.deepEqual(commandWords('  "C:\\Program Files\\pw.exe"  get '), ['C:\\Program Files\\pw.exe', 'get']);
  assert.deepEqual(commandWords(''), []);
  assert.equal(commandWords('/bin/x "open'), undefined);
});

test('A command must name its program by an absolute path', () => {
  assert.equal(commandProblem('/usr/bin/pass show x', 'posix'), undefined);
  assert.equal(commandProblem('"C:\\Program Files\\pw.exe" get', 'windows'), undefined);
  for (const text of ['', 'pass show x', '/bin/x "open']) assert.ok(commandProblem(text, 'posix'), text);
});
