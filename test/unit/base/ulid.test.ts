import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { ulid, ulidTime } from '../../../server/base/ulid.ts';
import { runId } from '../../../server/protocol/ids.ts';

test('ids made one after the other sort in that order, also within a millisecond and when the clock goes back', () => {
  const ids: string[] = [];
  for (const now of [1000, 1000, 1000, 2000, 1500, 1, 2000, 2001]) ids.push(ulid(now));
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test('an id holds its time and is what the protocol takes for a run id', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 6 }), (step) => {
      const now = Date.UTC(2100, 0) + step;
      const text = ulid(now);
      assert.equal(text.length, 26);
      assert.equal(runId(text, 'id'), text);
      assert.ok(ulidTime(text) >= now);
    }),
  );
});

test('the time is in the first ten characters, in base 32', () => {
  assert.equal(ulidTime('01ARZ3NDEKTSV4RRFFQ69G5FAV'), 1_469_922_850_259);
  assert.equal(ulidTime('00000000010000000000000000'), 1);
});
