import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import type { GcOptions } from '../../../server/repository/api.ts';
import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { backup, diskOf, expected, restored, signal, SmallRepository } from './small-repository.ts';
import type { DiskModel, Opened } from './small-repository.ts';
import { Died } from './test-storage.ts';

const collect = { dryRun: false, now: false, signal } satisfies GcOptions;
const collectNow = { ...collect, now: true } satisfies GcOptions;
const dayMs = 24 * 60 * 60 * 1000;

interface Stored {
  readonly point: StoredRestorePoint;
  readonly disk: DiskModel;
}

/** Three restore points of a chain and one of another VM; packs of two chunks, so that packs are shared, partly needed and dead. */
async function chain(small: SmallRepository): Promise<readonly Stored[]> {
  const first = diskOf([1, 2, 3, 4, 5, 6]);
  const second = new Map([...first, [1, 20], [2, 21], [9, 22]]);
  const third = new Map([...second, [1, 30], [3, 31]]);
  third.delete(9);
  const other = diskOf([2, 40, 41, 42]);
  const a = await backup(small, { vm: 1, disks: [first], packChunks: 2 });
  const b = await backup(small, { vm: 1, disks: [second], packChunks: 2, base: { point: a, disks: [first] } });
  const c = await backup(small, { vm: 1, disks: [third], packChunks: 2, base: { point: b, disks: [second] } });
  const d = await backup(small, { vm: 2, disks: [other], packChunks: 2 });
  return [a, b, c, d].map((point, index) => ({ point, disk: [first, second, third, other][index] ?? first }));
}

async function assertRestores(opened: Opened, stored: readonly Stored[], message?: string): Promise<void> {
  for (const { point, disk } of stored) assert.deepEqual(await restored(opened, point), expected(disk), message);
}

function packFiles(small: SmallRepository): readonly string[] {
  return [...small.storage.files().keys()].filter((name) => /^[dm]\//.test(name));
}

/** A process that died holds no lease any more; here it is the process of the tests, which lives. */
function dropLeases({ storage }: SmallRepository): void {
  for (const name of storage.files().keys()) if (name.startsWith('leases/')) storage.set(name, undefined);
}

describe('garbage collection', () => {
  test('whichever restore point is deleted, all others restore, and what it alone needed is freed', async () => {
    const whole = await SmallRepository.create();
    const stored = await chain(whole);
    for (const { point } of stored) {
      const small = await whole.copy();
      await small.repository.deleteRestorePoint(point.id, signal);
      const rest = stored.filter((other) => other.point !== point);
      const before = (await small.repository.status(signal)).storedBytes;
      const result = await small.repository.collectGarbage(collectNow);
      const after = await small.repository.status(signal);
      await assertRestores(small, rest);
      assert.ok(result.deletedPacks > 0);
      assert.ok(after.storedBytes < before);
      // At most a twentieth of what is needed may stay unneeded.
      assert.ok(after.unusedBytes <= (after.storedBytes - after.unusedBytes) / 20, `${after.unusedBytes} bytes unused`);
      await small.reopen();
      await assertRestores(small, rest);
      assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, []);
    }
  });

  test('after all restore points were deleted, no pack is left', async () => {
    const small = await SmallRepository.create();
    for (const { point } of await chain(small)) await small.repository.deleteRestorePoint(point.id, signal);
    await small.repository.collectGarbage(collectNow);
    assert.deepEqual(packFiles(small), []);
    assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, []);
  });

  test('packs are condemned first and deleted a day later, by the clock of the storage', async () => {
    const small = await SmallRepository.create();
    const [first, ...rest] = await chain(small);
    assert.ok(first);
    await small.repository.deleteRestorePoint(first.point.id, signal);
    small.storage.aheadMs += 60_000;
    const packs = packFiles(small);
    const condemned = await small.repository.collectGarbage(collect);
    assert.ok(condemned.condemnedPacks > 0);
    assert.equal(condemned.deletedPacks, 0);
    assert.ok(condemned.deletableAt !== undefined);
    for (const name of packs) assert.ok(packFiles(small).includes(name));

    small.storage.aheadMs += dayMs - 120_000;
    assert.equal((await small.repository.collectGarbage(collect)).deletedPacks, 0);
    small.storage.aheadMs += 240_000;
    const deleted = await small.repository.collectGarbage(collect);
    assert.equal(deleted.deletedPacks, condemned.condemnedPacks);
    assert.equal(deleted.deletedBytes, condemned.condemnedBytes);
    assert.equal(deleted.deletableAt, undefined);
    await assertRestores(small, rest);
    const status = await small.repository.status(signal);
    assert.ok(status.unusedBytes <= status.storedBytes / 20);
  });

  test('a dry run changes nothing and says what the real run then does', async () => {
    const small = await SmallRepository.create();
    const [first] = await chain(small);
    assert.ok(first);
    await small.repository.deleteRestorePoint(first.point.id, signal);
    small.storage.aheadMs += 60_000;
    for (const options of [collect, collectNow]) {
      const files = small.storage.files();
      const plans: string[] = [];
      const real: string[] = [];
      const dry = await small.repository.collectGarbage({ ...options, dryRun: true, log: (text) => plans.push(text) });
      assert.deepEqual(small.storage.files(), files);
      const copy = await small.copy();
      const done = await copy.repository.collectGarbage({ ...options, log: (text) => real.push(text) });
      assert.deepEqual({ ...dry, deletableAt: undefined }, { ...done, dryRun: true, deletableAt: undefined });
      assert.equal(dry.deletableAt === undefined, done.deletableAt === undefined);
      for (const line of plans.filter((text) => !text.startsWith('Condemned'))) assert.ok(real.includes(line), line);
    }
  });

  test('a map page that cannot be read stops the collection before anything is deleted', async () => {
    const small = await SmallRepository.create();
    const [first, second] = await chain(small);
    assert.ok(first && second);
    await small.repository.deleteRestorePoint(first.point.id, signal);
    const name = [...small.storage.files().keys()].find((file) => file.startsWith('m/')) ?? '';
    small.storage.set(name, undefined);
    for (const options of [collect, collectNow, { ...collectNow, dryRun: true }]) {
      await small.reopen();
      const before = small.storage.files();
      const broken = packFiles(small).length;
      const outcome = await small.repository.collectGarbage(options).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) {
        // The missing pack was that of the deleted restore point: nobody misses it.
        continue;
      }
      assert.ok(TidemarkError.is(outcome, 'TM4016'), String(outcome));
      assert.deepEqual(small.storage.files(), before);
      assert.equal(packFiles(small).length, broken);
    }
  });

  test('a restore point that cannot be read stops the collection', async () => {
    const small = await SmallRepository.create();
    const [first, second] = await chain(small);
    assert.ok(first && second);
    await small.repository.deleteRestorePoint(first.point.id, signal);
    small.storage.set(`points/${second.point.vmId}/${second.point.id}.rp`, Buffer.from('damaged'));
    const before = packFiles(small);
    await assert.rejects(small.repository.collectGarbage(collectNow), (error) => TidemarkError.is(error, 'TM4016'));
    assert.deepEqual(packFiles(small), before);
    await small.repository.deleteRestorePoint(second.point.id, signal);
    assert.ok((await small.repository.collectGarbage(collectNow)).deletedPacks > 0);
  });

  test('a collection that dies at any call loses nothing, and the next one finishes it', async () => {
    const whole = await SmallRepository.create();
    const [first, second, ...rest] = await chain(whole);
    assert.ok(first && second);
    await whole.repository.deleteRestorePoint(first.point.id, signal);
    whole.storage.aheadMs += 60_000;
    await whole.repository.collectGarbage(collect);
    await whole.repository.deleteRestorePoint(second.point.id, signal);
    whole.storage.aheadMs += 2 * dayMs;
    for (const options of [collect, collectNow]) {
      let died = true;
      for (let call = 1; died; call++) {
        const small = await whole.copy();
        small.storage.dieAt = call;
        small.storage.dieAfterwards = call % 2 === 0;
        const outcome = await small.repository.collectGarbage(options).catch((error: unknown) => error);
        died = outcome instanceof Error;
        if (died && !(outcome instanceof Died)) assert.equal(causeOf(outcome) instanceof Died, true, String(outcome));
        await small.reopen();
        dropLeases(small);
        const place = `${options.now ? 'now, ' : ''}call ${call}`;
        await assertRestores(small, rest, place);
        const { problems } = await small.repository.verify({ readData: true, signal });
        assert.deepEqual(
          problems.flatMap((problem) => problem.restorePoints),
          [],
          place,
        );
        await small.repository.collectGarbage(collectNow);
        await assertRestores(small, rest, place);
        const status = await small.repository.status(signal);
        assert.ok(status.unusedBytes <= status.storedBytes / 20, place);
        assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, [], place);
        const left = [...small.storage.files().keys()].filter((name) => /^(gc|damage|leases)\//.test(name));
        assert.deepEqual(left, [], place);
        const segments = [...small.storage.files().keys()].filter((name) => name.startsWith('index/'));
        assert.deepEqual(
          segments,
          small.core.segments.map(({ file }) => file).toSorted((a, b) => (a < b ? -1 : 1)),
          place,
        );
      }
    }
  });

  test('packs and unfinished files of a run that crashed go', async () => {
    const small = await SmallRepository.create();
    const stored = await chain(small);
    const before = packFiles(small);
    small.storage.onChange = async (what) => {
      if (!what.startsWith('put index/')) return;
      small.storage.dieAt = 0;
      throw new Died();
    };
    await assert.rejects(backup(small, { vm: 3, disks: [diskOf([80, 81, 82])], packChunks: 1 }));
    await small.reopen();
    dropLeases(small);
    small.storage.set('d/leftover.0123456789ab.tmp', Buffer.from('x'));
    assert.ok(packFiles(small).length > before.length);
    await small.repository.collectGarbage(collectNow);
    assert.deepEqual(packFiles(small), before);
    for await (const file of small.storage.listUnfinished('')) assert.fail(file.name);
    await assertRestores(small, stored);
  });
});

describe('garbage collection and others', () => {
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
      for await (const { name } of opened.core.backend.list(''))
        utimesSync(join(location, name), old / 1000, old / 1000);
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
});

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
