import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backup, chunkBytes, diskOf, signal, SmallRepository } from './small-repository.ts';

test('an empty repository has figures', async () => {
  const small = await SmallRepository.create();
  const status = await small.repository.status(signal);
  assert.deepEqual([status.restorePoints, status.vms, status.logicalBytes, status.uniqueBytes], [0, 0, 0, 0]);
  assert.deepEqual(status.warnings, []);
});

test('what two VMs share counts once in what is unique, and what nobody needs counts as unused', async () => {
  const small = await SmallRepository.create();
  const disk = diskOf([1, 2, 3, 4]);
  const first = await backup(small, { vm: 1, disks: [disk], packChunks: 1 });
  await backup(small, { vm: 2, disks: [disk, diskOf([4, 5])] });
  const both = await small.repository.status(signal);
  assert.deepEqual(
    [both.restorePoints, both.vms, both.logicalBytes, both.uniqueBytes, both.unusedBytes],
    [2, 2, 10 * chunkBytes, 5 * chunkBytes, 0],
  );
  const bytes = [...small.storage.files().values()].reduce((sum, size) => sum + size, 0);
  assert.equal(both.storedBytes, bytes);

  const more = await backup(small, { vm: 1, disks: [diskOf([90])] });
  await small.repository.deleteRestorePoint(more.id, signal);
  await small.repository.deleteRestorePoint(first.id, signal);
  const after = await small.repository.status(signal);
  assert.equal(after.uniqueBytes, 5 * chunkBytes);
  assert.ok(after.unusedBytes > 300 && after.unusedBytes < 3 * chunkBytes);
  await small.repository.collectGarbage({ dryRun: false, now: true, signal });
  assert.equal((await small.repository.status(signal)).unusedBytes, 0);
});

test('figures follow what another program writes', async () => {
  const small = await SmallRepository.create();
  assert.equal((await small.repository.status(signal)).uniqueBytes, 0);
  await backup(await small.second(), { vm: 1, disks: [diskOf([1, 2])] });
  assert.equal((await small.repository.status(signal)).uniqueBytes, 2 * chunkBytes);
});

test('a map that cannot be read is a warning, and the other figures are there', async () => {
  const small = await SmallRepository.create();
  await backup(small, { vm: 1, disks: [diskOf([1, 2])] });
  for (const name of small.storage.files().keys()) if (name.startsWith('m/')) small.storage.set(name, undefined);
  const status = await small.repository.status(signal);
  assert.equal(status.restorePoints, 1);
  assert.equal(status.warnings.length, 1);
  assert.match(status.warnings[0] ?? '', /Restore point/);
});

test('little free space and an index in many pieces are warnings', async () => {
  const small = await SmallRepository.create();
  await backup(small, { vm: 1, disks: [diskOf([1, 2])] });
  small.storage.free = 1000;
  const { warnings, freeBytes } = await small.repository.status(signal);
  assert.equal(freeBytes, 1000);
  assert.match(warnings.join(' '), /1000 B are free/);
});
