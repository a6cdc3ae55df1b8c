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
