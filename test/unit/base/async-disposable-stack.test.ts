import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AsyncDisposableStackForNode22 } from '../../../server/base/async-disposable-stack.ts';

for (const [name, Stack] of Object.entries({
  own: AsyncDisposableStackForNode22,
  "Node 24's": AsyncDisposableStack,
})) {
  test(`What was deferred is called once, the last first (${name})`, async () => {
    const calls: number[] = [];
    {
      await using stack = new Stack();
      stack.defer(() => void calls.push(1));
      stack.defer(async () => void calls.push(2));
      assert.equal(stack.disposed, false);
    }
    assert.deepEqual(calls, [2, 1]);
  });

  test(`A stack that was moved calls nothing and takes nothing more (${name})`, async () => {
    const calls: number[] = [];
    const stack = new Stack();
    stack.defer(() => void calls.push(1));
    const moved = stack.move();
    await stack.disposeAsync();
    assert.deepEqual([calls, stack.disposed, moved.disposed], [[], true, false]);
    assert.throws(() => stack.defer(() => undefined), ReferenceError);
    await moved.disposeAsync();
    await moved.disposeAsync();
    assert.deepEqual(calls, [1]);
  });

  test(`An error does not keep the others from being called, and of two none is lost (${name})`, async () => {
    const calls: number[] = [];
    const [first, second] = [new Error('first'), new Error('second')];
    const fail = (error: Error) => (): never => {
      throw error;
    };
    const one = new Stack();
    one.defer(() => void calls.push(1));
    one.defer(fail(first));
    await assert.rejects(one.disposeAsync(), first);
    assert.deepEqual(calls, [1]);
    const two = new Stack();
    two.defer(fail(second));
    two.defer(fail(first));
    await assert.rejects(two.disposeAsync(), (error: unknown) => {
      assert.ok(error instanceof Error && 'error' in error && 'suppressed' in error);
      return error.error === second && error.suppressed === first;
    });
  });
}
