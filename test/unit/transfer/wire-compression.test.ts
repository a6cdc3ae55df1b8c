import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { IdleProcessors } from '../../../server/base/idle-processors.ts';
import { WireCompression } from '../../../server/daemon/transfer/wire-compression.ts';

const mib = 1024 * 1024;

/** Whether compression is wanted after parts that took so long and waited for so much of it, ms. */
function wanted(parts: readonly (readonly [elapsed: number, waited: number])[], idle = 0.6): boolean {
  const told: string[] = [];
  const compression = new WireCompression(2, (text) => told.push(text), { share: () => idle });
  for (const [elapsed, waited] of parts) compression.observe(32 * mib, elapsed, waited);
  assert.equal(told.length, compression.wanted ? 1 : 0);
  return compression.wanted;
}

describe('compression for the wire', () => {
  test('begins when parts wait for a slow link, and stays on', () => {
    assert.ok(wanted([...Array.from({ length: 3 }, () => [560, 500] as const), [100, 10]]));
  });

  test('is not for a fast link, for one slow part, nor for workers that are slow themselves', () => {
    assert.ok(!wanted(Array.from({ length: 9 }, () => [150, 120])));
    assert.ok(
      !wanted([
        [560, 500],
        [100, 10],
        [560, 500],
      ]),
    );
    assert.ok(!wanted(Array.from({ length: 9 }, () => [560, 100])));
  });

  test('is not for a machine whose processors are busy: there it is them that parts wait for', () => {
    assert.ok(
      !wanted(
        Array.from({ length: 9 }, () => [560, 500]),
        0.05,
      ),
    );
  });
});

test('the idle share of the processors lies between none and all', () => {
  const processors = new IdleProcessors();
  for (let call = 0; call < 3; call++) {
    const share = processors.share();
    assert.ok(share >= 0 && share <= 1);
  }
});
