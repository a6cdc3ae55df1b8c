import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Latest } from '../../../server/daemon/latest.ts';

/** A source that answers when the test says so. */
function manual(): { readonly latest: Latest<string>; readonly reads: PromiseWithResolvers<string>[] } {
  const reads: PromiseWithResolvers<string>[] = [];
  const latest = new Latest(async () => {
    const read = Promise.withResolvers<string>();
    reads.push(read);
    return read.promise;
  });
  return { latest, reads };
}

describe('a value that is read again and again', () => {
  it('is read once for all who ask at the same time, and not again while it is young', async () => {
    const { latest, reads } = manual();
    const asked = [latest.within(60_000), latest.within(0), latest.within(60_000)];
    assert.equal(reads.length, 1);
    reads[0]?.resolve('first');
    assert.deepEqual(await Promise.all(asked), ['first', 'first', 'first']);
    assert.equal(await latest.within(60_000), 'first');
    assert.equal(reads.length, 1);
  });

  it('is read anew after it was invalidated, and what was asked for before does not count', async () => {
    const { latest, reads } = manual();
    const before = latest.within(60_000);
    latest.invalidate();
    const after = latest.within(60_000);
    assert.equal(reads.length, 2);
    reads[1]?.resolve('new');
    reads[0]?.resolve('old');
    assert.deepEqual(await Promise.all([before, after]), ['old', 'new']);
    assert.equal(latest.value, 'new', 'a late answer to an early question replaces nothing');
    assert.equal(await latest.within(60_000), 'new');
  });

  it('keeps the old value when a read fails, and reads again for the next who asks', async () => {
    const { latest, reads } = manual();
    const first = latest.fresh();
    reads[0]?.resolve('kept');
    await first;
    const second = latest.fresh();
    reads[1]?.reject(new Error('away'));
    await assert.rejects(second, /away/);
    assert.equal(latest.value, 'kept');
    const third = latest.fresh();
    reads[2]?.resolve('back');
    assert.equal(await third, 'back');
  });
});
