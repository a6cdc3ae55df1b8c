import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assert as check, property, uint8Array } from 'fast-check';

import { contentOf, maxFileBytes, policyContent } from '../../../../client/policy/policy-file.ts';

test('the name of a policy is read from its file without parsing it', () => {
  for (const text of [
    'name: nightly\n',
    '# first\r\nname: nightly\r\nrepository: main\r\n',
    'description: x\nname:   "nightly"   # the name\n',
    "select:\n  - host: hv01\n    name: other\nname: 'nightly'",
  ])
    assert.equal(contentOf(text).name, 'nightly', text);
  for (const text of ['', 'name:\n', 'name: Nightly\n', ' name: nightly\n', 'name: [nightly]\n', 'names: nightly\n'])
    assert.equal(contentOf(text).name, undefined, text);
});

test('what is no text of a policy has neither text nor name', () => {
  assert.deepEqual(policyContent(new Uint8Array([0x6e, 0xff, 0xfe])), {});
  assert.deepEqual(policyContent(new Uint8Array(maxFileBytes + 1).fill(0x61)), {});
  assert.equal(policyContent(new TextEncoder().encode('name: ä')).text, 'name: ä');
});

test('whatever a file holds, looking at it neither throws nor takes long', () => {
  check(property(uint8Array({ maxLength: 4096 }), (bytes) => void policyContent(bytes)));
  const hostile = `name: ${' '.repeat(maxFileBytes - 100)}x`;
  const started = performance.now();
  contentOf(hostile);
  contentOf(`name:${'\t '.repeat(200_000)}`);
  assert.ok(performance.now() - started < 2000);
});
