import assert from 'node:assert/strict';
import { test } from 'node:test';

import { signal, SmallRepository } from './small-repository.ts';

const hourMs = 60 * 60 * 1000;

test('an unfinished file stays as long as a writer lives that may be at it, and goes when it is an hour old and nobody is', async () => {
  const small = await SmallRepository.create();
  const { storage, core } = small;
  const left = 'd/unfinished.0123456789ab.tmp';
  storage.set(left, Buffer.from('of a writer that died'));
  storage.aheadMs += 2 * hourMs;
  const writer = await core.acquireLease('writer', 'slow', signal);
  const mine = 'd/unfinished.abcdef012345.tmp';
  storage.set(mine, Buffer.from('some chunks; the next ones are stored already'));
  const collect = async (): Promise<void> => {
    await (await small.second()).repository.collectGarbage({ dryRun: false, now: false, signal });
  };
  const unfinished = (): string[] => [...storage.files().keys()].filter((name) => name.endsWith('.tmp'));

  await collect();
  assert.deepEqual(unfinished(), [mine]);
  // The writer has refreshed its lease, but written nothing for two hours.
  const lease = storage.bytes(writer.file);
  storage.aheadMs += 2 * hourMs;
  storage.set(writer.file, lease);
  await collect();
  assert.deepEqual(unfinished(), [mine]);
  await writer.release();
  await collect();
  assert.deepEqual(unfinished(), []);
});
