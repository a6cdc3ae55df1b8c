import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { parsePackName } from '../../../server/repository/pack-toc.ts';
import { BlobDamage } from '../../../server/repository/verify/blob-damage.ts';
import { namePoints } from '../../../server/repository/verify/name-points.ts';
import { backup, diskOf, expected, idsOf, restored, signal, SmallRepository } from './small-repository.ts';
import { hitNames, makeSample } from './verify-sample.ts';
import type { Sample } from './verify-sample.ts';

let sample: Sample;

before(async () => {
  sample = await makeSample();
});

test('damage is recorded, the next full backup stores the data again, and a collection then forgets the damage', async () => {
  const { small, points, disks } = sample;
  const copy = await small.copy();
  const damagedNames = [...copy.storage.files().keys()].filter((name) => name.startsWith('d/'));
  for (const name of damagedNames) copy.storage.flip(name, 200, 3);
  const found = await copy.repository.verify({ readData: true, signal });
  assert.deepEqual(hitNames(found.problems), idsOf(points));
  await copy.reopen();
  assert.equal((await copy.repository.verify({ readData: false, signal })).problems.length, found.problems.length);
  assert.ok((await copy.repository.status(signal)).warnings.some((text) => text.includes('damage')));

  for (const [number, models] of disks.entries()) await backup(copy, { vm: number < 2 ? 1 : 2, disks: models });
  for (const [number, point] of points.entries()) {
    assert.deepEqual(await restored(copy, point), expected(disks[number]?.[0] ?? new Map()));
  }
  await copy.repository.collectGarbage({ dryRun: false, now: true, signal });
  assert.deepEqual((await copy.repository.verify({ readData: true, signal })).problems, []);
  assert.equal(
    [...copy.storage.files().keys()].some((name) => name.startsWith('damage/')),
    false,
  );
});

test('damage is told also when it cannot be recorded, as on a storage that is full', async () => {
  const { points } = sample;
  const restorePoints = points.map(({ id }) => id);
  for (const which of [{}, { restorePoints }]) {
    const copy = await sample.small.copy();
    for (const name of copy.storage.files().keys()) if (name.startsWith('d/')) copy.storage.flip(name, 200, 3);
    copy.storage.onChange = async (what) => {
      if (what.startsWith('put damage/')) throw new TidemarkError(errorCodes.repositoryFull, 'The disk is full.');
    };
    const logged: string[] = [];
    const log = (text: string): void => void logged.push(text);
    const found = await copy.repository.verify({ readData: true, ...which, signal, log });
    assert.deepEqual(hitNames(found.problems), idsOf(points));
    assert.match(logged.join('\n'), /could not be recorded: The disk is full/);
  }
});

test('damage that was repaired on the storage is forgotten by the next verification', async () => {
  const copy = await sample.small.copy();
  const name = [...copy.storage.files().keys()].find((file) => file.startsWith('d/')) ?? '';
  copy.storage.flip(name, 200, 3);
  assert.equal((await copy.repository.verify({ readData: true, signal })).problems.length, 1);
  copy.storage.flip(name, 200, 3);
  assert.deepEqual((await copy.repository.verify({ readData: true, signal })).problems, []);
  assert.deepEqual((await copy.repository.verify({ readData: false, signal })).problems, []);
});

test('damage that hits nobody is gone after a collection, whatever the file', async () => {
  const { points, disks } = sample;
  for (const [name, bytes] of sample.small.storage.files()) {
    if (/^(config|keys|points)/.test(name)) continue;
    for (const opened of ['before', 'after']) {
      const copy = await sample.small.copy();
      // The last byte of a pack belongs to its footer.
      copy.storage.flip(name, bytes - 1, 4);
      if (opened === 'after') await copy.reopen();
      const { problems } = await copy.repository.verify({ readData: true, signal });
      assert.deepEqual(
        problems.map(({ what, restorePoints }) => [what, restorePoints]),
        [[name, []]],
      );
      await copy.repository.collectGarbage({ dryRun: false, now: true, signal });
      await copy.reopen();
      assert.deepEqual((await copy.repository.verify({ readData: true, signal })).problems, [], name);
      for (const [number, point] of points.entries()) {
        assert.deepEqual(await restored(copy, point), expected(disks[number]?.[0] ?? new Map()), name);
      }
    }
  }
});

test('a version byte that flipped is damage, not a newer version, and stops neither opening nor verifying', async () => {
  for (const [name, bytes] of sample.small.storage.files()) {
    const isPack = parsePackName(name) !== undefined;
    if (/^(config|keys)/.test(name)) continue;
    const copy = await sample.small.copy();
    // Without the index, footers are read when the repository is opened.
    if (isPack)
      for (const file of copy.storage.files().keys()) if (file.startsWith('index/')) copy.storage.set(file, undefined);
    copy.storage.flip(name, isPack ? bytes - 64 + 8 : 8, 1);
    await copy.reopen();
    const { problems } = await copy.repository.verify({ readData: true, signal });
    assert.ok(
      problems.some((problem) => problem.what === name),
      name,
    );
  }
});

test('a repository that cannot be written is verified all the same, and nothing is recorded', async () => {
  const copy = await sample.small.copy();
  const name = [...copy.storage.files().keys()].find((file) => file.startsWith('d/')) ?? '';
  copy.storage.flip(name, 200, 3);
  const files = copy.storage.files();
  copy.storage.onChange = async () => {
    throw new TidemarkError('TM4007', 'The storage is mounted read-only.');
  };
  assert.equal((await copy.repository.verify({ readData: true, signal })).problems.length, 1);
  assert.deepEqual(copy.storage.files(), files);
});

test('more damage than is named one by one is still found, and names everybody it hits', async () => {
  const small = await SmallRepository.create();
  const point = await backup(small, { vm: 1, disks: [diskOf([1, 2, 3])] });
  const damage = new BlobDamage(small.core.index, 1);
  const error = new TidemarkError('TM4010', 'damaged').report();
  for (let ordinal = 0; ordinal < small.core.index.entryCount; ordinal++) damage.add(ordinal, error);
  const found: string[] = [];
  const onBadPoint = (bad: StoredRestorePoint): unknown => found.push(bad.id);
  await namePoints(small.core, {
    index: small.core.index,
    damage,
    points: [point],
    signal,
    onBadPoint,
    onAdvance: () => undefined,
  });
  assert.deepEqual(found, []);
  assert.equal(damage.problems().length, 2);
  assert.deepEqual(hitNames(damage.problems()), [point.id]);
});
