import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { forEachLimited, Mutex, Semaphore } from '../../../server/base/concurrency.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

test('a mutex runs tasks one after the other in order, also after one failed', async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const task =
    (name: string, fails = false) =>
    async (): Promise<string> => {
      events.push(`${name} begins`);
      await turn();
      events.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
  const outcomes = await Promise.allSettled([mutex.run(task('a')), mutex.run(task('b', true)), mutex.run(task('c'))]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(events, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('a semaphore lets in as many as its limit, in order', async () => {
  const semaphore = new Semaphore(2);
  const first = await semaphore.acquire();
  await semaphore.acquire();
  const entered: number[] = [];
  const third = semaphore.acquire().then((release) => {
    entered.push(3);
    return release;
  });
  const fourth = semaphore.acquire().then(() => entered.push(4));
  await turn();
  assert.deepEqual(entered, []);
  first();
  first();
  await third;
  await turn();
  assert.deepEqual(entered, [3]);
  (await third)();
  await fourth;
  assert.deepEqual(entered, [3, 4]);
});

test('whoever gives up waiting for a semaphore takes no place', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire(controller.signal);
  const reason = new TidemarkError(errorCodes.vmBusy, 'Enough.');
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(semaphore.acquire(controller.signal), reason);
  await assert.rejects(semaphore.acquire(AbortSignal.abort()), { code: 'TM1999' });
  release();
  (await semaphore.acquire())();
});

test('limited work never runs more at a time and does every item', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await turn();
    running -= 1;
    done.push(item);
  });
  assert.equal(most, 3);
  assert.deepEqual(new Set(done), new Set([1, 2, 3, 4, 5, 6, 7]));
});

test('the first failure stops new work and is thrown when the running work has ended', async () => {
  const started: number[] = [];
  let ended = 0;
  await assert.rejects(
    forEachLimited([1, 2, 3, 4, 5], 2, async (item) => {
      started.push(item);
      if (item === 1) throw new Error('one');
      await turn();
      await turn();
      ended += 1;
    }),
    /one/,
  );
  assert.deepEqual(started, [1, 2]);
  assert.equal(ended, 1);
});

test('a list that fails to give its next item counts as a failure too', async () => {
  let ended = 0;
  const items = function* (): Generator<number> {
    yield 1;
    throw new Error('no more');
  };
  await assert.rejects(
    forEachLimited(items(), 2, async () => {
      await turn();
      ended += 1;
    }),
    /no more/,
  );
  assert.equal(ended, 1);
});
