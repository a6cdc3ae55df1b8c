import assert from 'node:assert/strict';
import { test } from 'node:test';

import { releaseMemory } from '../../../server/base/memory.ts';

test('the memory of a large buffer is gone once it is released, also when only a part of it is at hand', () => {
  const whole = Buffer.allocUnsafeSlow(256 * 1024);
  const part = Buffer.allocUnsafeSlow(256 * 1024).subarray(80, 1000);
  releaseMemory(whole);
  releaseMemory(part);
  assert.deepEqual([whole.length, part.length], [0, 0]);
});

test('releasing a small buffer leaves those that share its memory alone', () => {
  const [one, other] = [Buffer.allocUnsafe(100).fill(1), Buffer.allocUnsafe(100).fill(2)];
  releaseMemory(one);
  assert.ok(one.length === 100 && other.every((byte) => byte === 2));
});

test('releasing memory twice, or memory that threads share, does nothing', () => {
  const once = Buffer.allocUnsafeSlow(256 * 1024);
  releaseMemory(once);
  releaseMemory(once);
  const shared = new Uint8Array(new SharedArrayBuffer(256 * 1024)).fill(7);
  releaseMemory(shared);
  assert.equal(shared.length, 256 * 1024);
});
