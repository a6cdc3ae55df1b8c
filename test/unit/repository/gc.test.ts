import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import { assertRestores, chain, collect, collectNow, dayMs, dropLeases, packFiles } from './gc-sample.ts';
import { backup, diskOf, signal, SmallRepository } from './small-repository.ts';
import { Died } from './test-storage.ts';

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

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
