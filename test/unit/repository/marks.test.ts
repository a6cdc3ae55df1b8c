import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backup, diskOf, signal, SmallRepository } from './small-repository.ts';

test('a damaged copy is offered to no writer, not even while the index is being loaded anew', async () => {
  const small = await SmallRepository.create();
  await backup(small, { vm: 1, disks: [diskOf([1])] });
  const { core, storage } = small;
  const entry = core.index.entry(core.index.packs.find(({ kind }) => kind === 'data')?.first ?? assert.fail());
  const blob = { pack: entry.pack.packId, id: Buffer.from(entry.id).toString('hex') };
  await core.putDamage({ createdMs: Date.now(), blobs: [blob] }, signal);
  // Somebody else merges the index: the segments that are known here are gone.
  await (await small.second()).core.rewriteIndex(new Set(), signal);

  const seen: boolean[] = [];
  const list = storage.list.bind(storage);
  storage.list = (prefix) => {
    const ordinal = core.index.find(entry.id);
    if (ordinal >= 0) seen.push(core.index.isUsable(ordinal));
    return list(prefix);
  };
  await core.refreshIndex(signal);
  assert.ok(seen.length > 1);
  assert.deepEqual(new Set(seen), new Set([false]));
});
