import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeError, lineLogger, redact } from '../../../server/base/log.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

test('a line has its time, level and text, and the whole chain of causes', () => {
  const lines: string[] = [];
  const cause = new RangeError('underneath');
  lineLogger((line) => lines.push(line)).log(
    'error',
    'it broke',
    new TidemarkError(errorCodes.internal, 'on top', { cause }),
  );
  assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\dT[\d:.]+Z error it broke\n/);
  assert.match(lines[0] ?? '', /on top[^]*caused by: RangeError: underneath/);
});

test('causes that go in a circle, and causes that are no errors, are written and end', () => {
  const first = new Error('first');
  first.cause = first;
  assert.equal(describeError(first).split('caused by').length, 8);
  assert.equal(describeError('text'), 'text');
  assert.equal(describeError({ a: 1 }), '{"a":1}');
});

test('what follows the name of a secret is blanked, and credentials in URLs', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['password: pencil, next', 'password: <redacted>, next'],
    ['{"password":"pen cil","a":1}', '{"password":<redacted>,"a":1}'],
    ["token = 'x y'", 'token = <redacted>'],
    ['proof=abcdef', 'proof=<redacted>'],
    ['see https://me:secret@host/x', 'see https://<redacted>@host/x'],
    ['nothing to hide', 'nothing to hide'],
  ];
  for (const [text, expected] of cases) assert.equal(redact(text), expected);
});

test('what others are called cannot look like an entry of the log, nor move the cursor of who reads it', () => {
  const forged = '2026-01-01T00:00:00.000Z info the owner logged in';
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line));
  for (const end of ['\n', '\r', '\r\n', '\u0085', '\u2028', '\u2029']) {
    const name = `vm${end}${forged}\u001B[2J\u202E`;
    log.log('info', `the VM ${name} is backed up`);
    log.log('warning', 'a step failed', new Error(`no VM ${name}`, { cause: `named ${name}` }));
  }
  const written = lines.join('\n').split(/[\n\r\u0085\u2028\u2029]/);
  assert.deepEqual(
    written.filter((line) => line.startsWith(forged)),
    [],
  );
  // oxlint-disable-next-line no-control-regex -- it is about those
  assert.ok(!/[\u0000-\u0009\u000B-\u001F\u202E]/.test(lines.join('\n')));
  assert.equal(lines.filter((line) => line.includes('info the VM vm')).length, 6);
});

test('blanking secrets ends soon, whatever the text', () => {
  // Each would take minutes if the time grew with the square of the length.
  for (const text of [
    'a'.repeat(500_000),
    'password'.repeat(60_000),
    'a://'.repeat(120_000),
    `token${' '.repeat(500_000)}`,
  ]) {
    assert.equal(redact(text), text);
  }
});
