import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { FairLimit } from '../../../server/base/fair-limit.ts';
import { LineBudget } from '../../../server/base/line-budget.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const never = new AbortController().signal;

test('no more run at a time than the limit, and all of them run', async () => {
  const limit = new FairLimit(3);
  let running = 0;
  let most = 0;
  let done = 0;
  const task = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await turn();
    running -= 1;
    done += 1;
  };
  await Promise.all(Array.from({ length: 50 }, async (_, index) => limit.run({ index: index % 4 }, never, task)));
  assert.equal(most, 3);
  assert.equal(done, 50);
});

test('whoever waits for one thing is not behind all that another waits for', async () => {
  const limit = new FairLimit(1);
  const [greedy, modest] = [{}, {}];
  const order: string[] = [];
  const task = (name: string) => async (): Promise<void> => {
    order.push(name);
    await turn();
  };
  const all = [
    ...Array.from({ length: 10 }, async () => limit.run(greedy, never, task('greedy'))),
    limit.run(modest, never, task('modest')),
    limit.run(modest, never, task('modest')),
  ];
  await Promise.all(all);
  assert.deepEqual(order.slice(0, 6), ['greedy', 'greedy', 'modest', 'greedy', 'modest', 'greedy']);
});

test('a task that fails gives its place back, and who gives up waiting takes none', async () => {
  const limit = new FairLimit(1);
  const who = {};
  const gate = Promise.withResolvers<void>();
  const first = limit.run(who, never, async () => gate.promise);
  const abort = new AbortController();
  const second = limit.run(who, abort.signal, async () => undefined);
  const third = limit.run({}, never, async () => {
    throw new Error('failed');
  });
  abort.abort();
  await assert.rejects(second, (error) => TidemarkError.is(error, errorCodes.cancelled));
  gate.resolve();
  await first;
  await assert.rejects(third, /failed/);
  assert.equal(await limit.run(who, never, async () => 'runs'), 'runs');
  await assert.rejects(limit.run(who, abort.signal, async () => undefined));
  assert.equal(await limit.run(who, never, async () => 'still runs'), 'still runs');
});

test('after so many lines only their number is kept, until a new period begins', () => {
  let now = 0;
  const budget = new LineBudget(3, 1000, () => now);
  const written: number[] = [];
  const spend = (): void => budget.spend((leftOut) => written.push(leftOut));
  for (let line = 0; line < 10; line++) spend();
  assert.deepEqual(written, [0, 0, 0]);
  now = 999;
  spend();
  now = 1000;
  spend();
  spend();
  assert.deepEqual(written, [0, 0, 0, 8, 0]);
});
