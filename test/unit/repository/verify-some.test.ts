import assert from 'node:assert/strict';
import { test } from 'node:test';

import { restorePointId } from '../../../server/protocol/ids.ts';
import { parsePackName } from '../../../server/repository/pack-toc.ts';
import { backup, diskOf, expected, idsOf, restored, signal, SmallRepository } from './small-repository.ts';
import { hitNames } from './verify-sample.ts';

/** The data packs that were not there before. */
function newPacks(small: SmallRepository, before: ReadonlySet<string>): readonly string[] {
  return [...small.storage.files().keys()].filter((name) => name.startsWith('d/') && !before.has(name));
}

const names = (small: SmallRepository): ReadonlySet<string> => new Set(small.storage.files().keys());

/** Two restore points of one VM, each with packs of its own, and one of another VM. */
async function twoRuns() {
  const small = await SmallRepository.create();
  const [first, second] = [diskOf([1, 2, 3, 4]), diskOf([1, 2, 3, 50, 51])];
  const empty = names(small);
  const p1 = await backup(small, { vm: 1, disks: [first] });
  const ofFirst = newPacks(small, empty);
  const afterFirst = names(small);
  const p2 = await backup(small, { vm: 1, disks: [second], base: { point: p1, disks: [first] } });
  const ofSecond = newPacks(small, afterFirst);
  const afterSecond = names(small);
  const other = await backup(small, { vm: 2, disks: [diskOf([70, 71])] });
  const ofOther = newPacks(small, afterSecond);
  assert.deepEqual([ofFirst.length, ofSecond.length, ofOther.length], [1, 1, 1]);
  return {
    small,
    p1,
    p2,
    other,
    second,
    ofFirst: ofFirst[0] ?? '',
    ofSecond: ofSecond[0] ?? '',
    ofOther: ofOther[0] ?? '',
  };
}

test('a flipped bit in data of the named restore point is found; one in data that it does not need is not read', async () => {
  const { small, p2, other, ofFirst, ofSecond, ofOther } = await twoRuns();
  for (const [pack, hits] of [
    [ofFirst, true],
    [ofSecond, true],
    [ofOther, false],
  ] as const) {
    const copy = await small.copy();
    copy.storage.flip(pack, 200, 3);
    const result = await copy.repository.verify({ readData: true, restorePoints: [p2.id], signal });
    assert.equal(result.restorePoints, 1);
    assert.equal(result.problems.length, hits ? 1 : 0, pack);
    if (hits) assert.ok(hitNames(result.problems).includes(p2.id));
    const ofTheOther = await copy.repository.verify({ readData: true, restorePoints: [other.id], signal });
    assert.deepEqual(hitNames(ofTheOther.problems), hits ? [] : [other.id]);
  }
});

test('exactly the packs with data that no restore point needs which was read already are read', async () => {
  const { small, p1, p2, other, ofFirst, ofSecond } = await twoRuns();
  const options = { readData: true, alreadyRead: [p1.id], signal } as const;
  const old = await small.copy();
  old.storage.flip(ofFirst, 200, 3);
  assert.deepEqual((await old.repository.verify({ ...options, restorePoints: [p2.id] })).problems, []);
  // Nothing was read before: all of it is new, and so it is when what was read is of another VM or gone.
  for (const alreadyRead of [[], [other.id], [restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '')]]) {
    const { problems } = await (
      await old.copy()
    ).repository.verify({ ...options, alreadyRead, restorePoints: [p2.id] });
    assert.deepEqual(hitNames(problems), idsOf([p1, p2]));
  }
  assert.deepEqual(
    hitNames((await old.repository.verify({ ...options, alreadyRead: [], restorePoints: [p1.id] })).problems),
    idsOf([p1, p2]),
  );
  const fresh = await small.copy();
  fresh.storage.flip(ofSecond, 200, 3);
  const { problems } = await fresh.repository.verify({ ...options, restorePoints: [p2.id] });
  assert.deepEqual(hitNames(problems), [p2.id]);
});

test('what is read and counted is the packs that the restore points need, and nothing else', async () => {
  const { small, p1, p2, ofFirst, ofSecond } = await twoRuns();
  const sizes = small.storage.files();
  const data = (names_: readonly string[]): number => names_.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  const metaOf = [...sizes]
    .filter(([name]) => parsePackName(name)?.kind === 'meta')
    .reduce((sum, [, bytes]) => sum + bytes, 0);
  const seen: (readonly [number, number])[] = [];
  const onProgress = (done: number, total: number): void => void seen.push([done, total]);
  const both = await small.repository.verify({ readData: true, restorePoints: [p1.id, p2.id], signal });
  assert.ok(both.readBytes >= data([ofFirst, ofSecond]) && both.readBytes <= data([ofFirst, ofSecond]) + metaOf);
  const news = await small.repository.verify({
    readData: true,
    alreadyRead: [p1.id],
    restorePoints: [p2.id],
    signal,
    onProgress,
  });
  assert.ok(news.readBytes >= data([ofSecond]) && news.readBytes <= data([ofSecond]) + metaOf);
  assert.ok(news.blobs < both.blobs);
  assert.deepEqual(seen.at(-1), [news.readBytes, news.readBytes]);
  const structure = await small.repository.verify({ readData: false, restorePoints: [p2.id], signal });
  // Five chunks, a page and the configuration.
  assert.deepEqual([structure.blobs, structure.readBytes, structure.problems.length], [7, 0, 0]);
});

test('damage that others share is told of everybody, also of restore points that were not asked for', async () => {
  const { small, p1, p2, ofFirst } = await twoRuns();
  small.storage.flip(ofFirst, 200, 3);
  const { problems } = await small.repository.verify({ readData: true, restorePoints: [p2.id], signal });
  assert.deepEqual(hitNames(problems), idsOf([p1, p2]));
});

test('damage that is known already is told of the named restore points, though what was read already is not read again', async () => {
  const { small, p1, p2, other, ofFirst } = await twoRuns();
  small.storage.flip(ofFirst, 200, 3);
  await small.repository.verify({ readData: true, signal });
  const options = { readData: true, alreadyRead: [p1.id], signal } as const;
  assert.deepEqual(hitNames((await small.repository.verify({ ...options, restorePoints: [p2.id] })).problems), [p2.id]);
  assert.deepEqual((await small.repository.verify({ ...options, restorePoints: [other.id] })).problems, []);
});

test('a chunk that was stored again because of damage is read, though the restore point before needs it too', async () => {
  const { small, p2, ofFirst, second } = await twoRuns();
  small.storage.flip(ofFirst, 200, 3);
  await small.repository.verify({ readData: true, signal });
  const before = names(small);
  const p3 = await backup(small, { vm: 1, disks: [second] });
  const [repaired = ''] = newPacks(small, before);
  assert.deepEqual(await restored(small, p3), expected(second));
  small.storage.flip(repaired, 200, 3);
  const { problems } = await small.repository.verify({
    readData: true,
    alreadyRead: [p2.id],
    restorePoints: [p3.id],
    signal,
  });
  assert.ok(problems.some(({ what }) => what.includes(repaired)));
  assert.ok(hitNames(problems).includes(p3.id) && hitNames(problems).includes(p2.id));
});

test('missing packs and damaged files of the named restore points are found without reading data, those of others are not told', async () => {
  const { small, p1, p2, other, ofOther, ofSecond } = await twoRuns();
  const copy = await small.copy();
  copy.storage.set(ofOther, undefined);
  copy.storage.set(ofSecond, copy.storage.bytes(ofSecond).subarray(0, 10));
  const check = async (id: typeof p1.id) => copy.repository.verify({ readData: false, restorePoints: [id], signal });
  assert.deepEqual((await check(p1.id)).problems, []);
  assert.deepEqual(
    (await check(p2.id)).problems.map(({ what }) => what),
    [ofSecond],
  );
  assert.deepEqual(hitNames((await check(other.id)).problems), [other.id]);
  const file = `points/${p2.vmId}/${p2.id}.rp`;
  copy.storage.flip(file, 40, 1);
  assert.ok((await check(p2.id)).problems.some(({ what, error }) => what === file && error.code === 'TM4012'));
});

test('a restore point that is not there is an error, not a result', async () => {
  const { small, p1 } = await twoRuns();
  const unknown = restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'id');
  const verify = small.repository.verify({ readData: true, restorePoints: [p1.id, unknown], signal });
  await assert.rejects(verify, { code: 'TM4011' });
});

test('a verification of some restore points does not forget damage elsewhere', async () => {
  const { small, p2, other, ofOther } = await twoRuns();
  small.storage.flip(ofOther, 200, 3);
  await small.repository.verify({ readData: true, signal });
  await small.repository.verify({ readData: true, restorePoints: [p2.id], signal });
  assert.deepEqual(hitNames((await small.repository.verify({ readData: false, signal })).problems), [other.id]);
});
