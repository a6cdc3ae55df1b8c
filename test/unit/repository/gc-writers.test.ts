import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import { assertRestores, collect, collectNow, dayMs, packFiles } from './gc-sample.ts';
import type { Stored } from './gc-sample.ts';
import { backup, diskOf, signal, SmallRepository } from './small-repository.ts';

test('a writer that relies on a pack just before it is condemned loses nothing', async () => {
  const small = await SmallRepository.create();
  const disk = diskOf([1, 2, 3]);
  const old = await backup(small, { vm: 1, disks: [disk], packChunks: 1 });
  const other = await small.second();
  const point = await backup(small, {
    vm: 2,
    disks: [disk],
    beforeCommit: async () => {
      // The writer found all chunks stored already. Now their only restore point goes, and the collection condemns them.
      await other.repository.deleteRestorePoint(old.id, signal);
      small.storage.aheadMs += 60_000;
      const result = await other.repository.collectGarbage(collect);
      assert.ok(result.condemnedPacks > 0);
      small.storage.aheadMs += 2 * dayMs;
      // Two days went by, but the writer is still there: it refreshed its lease.
      for (const name of small.storage.files().keys()) {
        if (name.startsWith('leases/')) small.storage.set(name, small.storage.bytes(name));
      }
      assert.equal((await other.repository.collectGarbage(collect)).deletedPacks, 0);
      await assert.rejects(other.repository.collectGarbage(collectNow), (error) => TidemarkError.is(error, 'TM4005'));
    },
  });
  await assertRestores(small, [{ point, disk }]);
  small.storage.aheadMs += 2 * dayMs;
  await other.repository.collectGarbage(collect);
  await other.repository.collectGarbage(collectNow);
  await small.reopen();
  await assertRestores(small, [{ point, disk }]);
  assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, []);
  assert.equal((await small.repository.status(signal)).unusedBytes, 0);
});

test('a writer that lost its lease cannot commit what a collection may have taken', async () => {
  const small = await SmallRepository.create();
  const disk = diskOf([1, 2, 3]);
  const old = await backup(small, { vm: 1, disks: [disk] });
  const other = await small.second();
  const late = backup(small, {
    vm: 2,
    disks: [disk],
    beforeCommit: async () => {
      await other.repository.deleteRestorePoint(old.id, signal);
      // The machine of the writer sleeps for an hour.
      small.storage.aheadMs += 60 * 60 * 1000;
      assert.ok((await other.repository.collectGarbage(collectNow)).deletedPacks > 0);
    },
  });
  await assert.rejects(late, (error) => TidemarkError.is(error, 'TM4015'));
  assert.deepEqual((await other.repository.listRestorePoints(signal)).points, []);
});

test('a writer that begins after packs were condemned does not rely on them', async () => {
  const small = await SmallRepository.create();
  const disk = diskOf([1, 2, 3]);
  const old = await backup(small, { vm: 1, disks: [disk] });
  await small.repository.deleteRestorePoint(old.id, signal);
  small.storage.aheadMs += 60_000;
  await small.repository.collectGarbage(collect);
  const other = await small.second();
  const point = await backup({ ...other }, { vm: 2, disks: [disk] });
  small.storage.aheadMs += 2 * dayMs;
  const result = await small.repository.collectGarbage(collect);
  assert.ok(result.deletedPacks > 0);
  await assertRestores(other, [{ point, disk }]);
  await small.reopen();
  await assertRestores(small, [{ point, disk }]);
});

test('packs that a writer has just made are left alone', async () => {
  const small = await SmallRepository.create();
  const other = await small.second();
  const disk = diskOf([1, 2, 3]);
  const point = await backup(small, {
    vm: 1,
    disks: [disk],
    beforeCommit: async () => {
      assert.equal((await other.repository.collectGarbage(collect)).condemnedPacks, 0);
    },
  });
  await assertRestores(small, [{ point, disk }]);
});

test('a program that opened the repository before the collection restores and writes after it', async () => {
  const small = await SmallRepository.create();
  const gone = await backup(small, { vm: 1, disks: [diskOf([1, 2, 4, 5])], packChunks: 2 });
  const disk = diskOf([1, 4]);
  const point = await backup(small, { vm: 2, disks: [disk] });
  const other = await small.second();
  await other.repository.deleteRestorePoint(gone.id, signal);
  // The chunks move to another pack; the map's pages stay where they are.
  assert.ok((await other.repository.collectGarbage(collectNow)).repackedBytes > 0);
  await assertRestores(small, [{ point, disk }]);
  const again = diskOf([1, 2, 4, 5]);
  const next = await backup(small, { vm: 1, disks: [again] });
  await assertRestores(small, [
    { point, disk },
    { point: next, disk: again },
  ]);
});

test('on a full storage what is unused is freed although nothing can be rewritten', async () => {
  const small = await SmallRepository.create();
  const gone = await backup(small, { vm: 1, disks: [diskOf([1, 2, 4, 5, 7])], packChunks: 2 });
  const disk = diskOf([1]);
  const point = await backup(small, { vm: 2, disks: [disk] });
  await small.repository.deleteRestorePoint(gone.id, signal);
  small.storage.onChange = async (what) => {
    if (/^put [dm]\//.test(what)) throw new TidemarkError('TM4006', 'The storage is full.');
  };
  const result = await small.repository.collectGarbage(collectNow);
  assert.ok(result.deletedPacks > 0);
  assert.equal(result.repackedBytes, 0);
  await assertRestores(small, [{ point, disk }]);
  assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, []);
});

test('what one program condemned, another one knows', async () => {
  const small = await SmallRepository.create();
  const gone = await backup(small, { vm: 1, disks: [diskOf([1, 2])] });
  await small.repository.deleteRestorePoint(gone.id, signal);
  small.storage.aheadMs += 60_000;
  const { condemnedPacks } = await small.repository.collectGarbage(collect);
  const other = await small.second();
  assert.equal((await other.core.condemned(signal)).flatMap(({ record }) => record.packs).length, condemnedPacks);
  assert.deepEqual(other.repository.warnings, []);
});

test('a repository in a folder is collected as one in memory is', async () => {
  const location = mkdtempSync(join(tmpdir(), 'tidemark-gc-'));
  try {
    const small = await SmallRepository.create();
    small.writeTo(location);
    const opened = await small.openAt(location);
    const gone = await backup(opened, { vm: 1, disks: [diskOf([1, 2, 4, 5])], packChunks: 2 });
    const disk = diskOf([1, 4]);
    const point = await backup(opened, { vm: 2, disks: [disk] });
    await opened.repository.deleteRestorePoint(gone.id, signal);
    const old = (await opened.core.backend.now()) - 60_000;
    for await (const { name } of opened.core.backend.list('')) utimesSync(join(location, name), old / 1000, old / 1000);
    assert.ok((await opened.repository.collectGarbage(collect)).condemnedPacks > 0);
    const again = await small.openAt(location);
    assert.ok((await again.core.condemned(signal)).length > 0);
    assert.ok((await again.repository.collectGarbage(collectNow)).deletedPacks > 0);
    await assertRestores(opened, [{ point, disk }]);
    const { problems } = await again.repository.verify({ readData: true, signal });
    assert.deepEqual(problems, []);
    assert.deepEqual(again.repository.warnings, []);
  } finally {
    rmSync(location, { recursive: true, force: true });
  }
});

test('an index in many segments is merged', async () => {
  const small = await SmallRepository.create();
  const stored: Stored[] = [];
  for (let number = 0; number < 18; number++) {
    const disk = diskOf([100 + number]);
    stored.push({ point: await backup(small, { vm: 1, disks: [disk] }), disk });
  }
  const segments = async (): Promise<number> =>
    [...small.storage.files().keys()].filter((name) => name.startsWith('index/')).length;
  assert.equal(await segments(), 18);
  small.storage.aheadMs += 60_000;
  await small.repository.collectGarbage(collect);
  assert.equal(await segments(), 1);
  await small.reopen();
  await assertRestores(small, stored);
});

test('small packs are joined once there are ten', async () => {
  const small = await SmallRepository.create();
  const stored: Stored[] = [];
  for (let number = 0; number < 12; number++) {
    const disk = diskOf([200 + number]);
    stored.push({ point: await backup(small, { vm: 1, disks: [disk] }), disk });
  }
  await small.repository.collectGarbage(collectNow);
  assert.equal(packFiles(small).length, 2);
  await assertRestores(small, stored);
  const again = await small.repository.collectGarbage(collectNow);
  assert.equal(again.condemnedPacks, 0);
});
