import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import type { RestorePointId } from '../../../server/protocol/ids.ts';
import { openRepository } from '../../../server/repository/open.ts';
import { parsePackName, readToc, readTocEntry, tocEntryBytes } from '../../../server/repository/pack-toc.ts';
import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { BlobDamage } from '../../../server/repository/verify/blob-damage.ts';
import { checkPack } from '../../../server/repository/verify/check-pack.ts';
import { namePoints } from '../../../server/repository/verify/name-points.ts';
import { backup, diskOf, expected, idsOf, password, restored, signal, SmallRepository } from './small-repository.ts';
import type { DiskModel } from './small-repository.ts';

/** Two VMs, three restore points that share chunks and a page, a dead pack, and one file of every kind. */
interface Sample {
  readonly small: SmallRepository;
  readonly points: readonly StoredRestorePoint[];
  readonly disks: readonly (readonly DiskModel[])[];
  /** Which restore points need a blob, by hex id. */
  readonly needs: ReadonlyMap<string, readonly RestorePointId[]>;
}

let sample: Sample;

before(async () => {
  const small = await SmallRepository.create();
  const first = diskOf([1, 2, 3, 4, 5]);
  const second = new Map([...first, [1, 20], [9, 21]]);
  const other = diskOf([3, 30, 31]);
  const p1 = await backup(small, { vm: 1, disks: [first], packChunks: 2 });
  const p2 = await backup(small, { vm: 1, disks: [second], base: { point: p1, disks: [first] } });
  const p3 = await backup(small, { vm: 2, disks: [other, first] });
  const gone = await backup(small, { vm: 3, disks: [diskOf([40])] });
  await small.repository.deleteRestorePoint(gone.id, signal);
  await small.core.putCondemned({ createdMs: Date.now(), packs: [], reason: 'sample' }, signal);
  await small.core.putDamage({ createdMs: Date.now(), blobs: [], packs: [] }, signal);
  const points = [p1, p2, p3];
  sample = { small, points, disks: [[first], [second], [other, first]], needs: await neededBy(small, points) };
});

/** What each restore point names, found through the public maps and not through the code under test. */
async function neededBy(
  { repository }: SmallRepository,
  points: readonly StoredRestorePoint[],
): Promise<ReadonlyMap<string, readonly RestorePointId[]>> {
  const needs = new Map<string, RestorePointId[]>();
  const need = (blob: string, point: StoredRestorePoint): void => {
    const users = needs.get(blob) ?? [];
    if (!users.includes(point.id)) users.push(point.id);
    needs.set(blob, users);
  };
  for (const point of points) {
    need(point.configuration, point);
    for (const disk of point.disks) {
      assert.equal(disk.map.root.type, 'inline');
      const root = disk.map.root.type === 'inline' ? Buffer.from(disk.map.root.pages, 'base64') : Buffer.alloc(0);
      for (let at = 0; at < root.length; at += 32) need(root.toString('hex', at, at + 32), point);
      for await (const { ids } of repository.openMap(disk).pages(signal)) {
        for (let at = 0; at < ids.length; at += 32) need(Buffer.from(ids.subarray(at, at + 32)).toString('hex'), point);
      }
    }
  }
  return needs;
}

interface PackRecord {
  readonly offset: number;
  readonly end: number;
  readonly users: readonly RestorePointId[];
}

/** The blobs of a pack, and who needs each. */
async function recordsOf(name: string): Promise<readonly PackRecord[]> {
  const { small, needs } = sample;
  const pack = parsePackName(name);
  assert.ok(pack);
  const toc = await readToc(small.storage, name, pack.kind, small.storage.bytes(name).length, signal);
  return Array.from({ length: toc.length / tocEntryBytes }, (_, index) => {
    const { id, offset, storedBytes } = readTocEntry(toc, index);
    const users = needs.get(Buffer.from(id).toString('hex')) ?? [];
    return { offset, end: offset + 80 + storedBytes, users };
  });
}

/** Whom a flip at this place of a pack hits: the users of the blob there, nobody behind the blobs. */
async function hitByPack(name: string, position: number): Promise<readonly RestorePointId[]> {
  const found = (await recordsOf(name)).find(({ offset, end }) => position >= offset && position < end);
  return [...(found?.users ?? [])].sort();
}

function hitNames(
  problems: readonly { readonly restorePoints: readonly RestorePointId[] }[],
): readonly RestorePointId[] {
  return [...new Set(problems.flatMap((problem) => problem.restorePoints))].sort();
}

describe('verification', () => {
  test('a repository that is whole has no problems, and every byte of it was read', async () => {
    const { points } = sample;
    const small = await sample.small.copy();
    const seen: number[] = [];
    const result = await small.repository.verify({ readData: true, signal, onProgress: (done) => seen.push(done) });
    const pointBytes = [...small.storage.files()]
      .filter(([name]) => name.startsWith('points/'))
      .map(([, bytes]) => bytes);
    const bytes = [...small.storage.files().values()].reduce((sum, size) => sum + size, 0);
    assert.deepEqual(result.problems, []);
    assert.equal(result.restorePoints, points.length);
    assert.ok(result.readBytes >= bytes - pointBytes.reduce((sum, size) => sum + size, 0));
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
  });

  test('one flipped bit anywhere in a small file is found, and the restore points it hits are named', async () => {
    const { small, points } = sample;
    const files = [...small.storage.files()].filter(([name]) => parsePackName(name) === undefined);
    const kinds = new Set(files.map(([name]) => name.split('/')[0]));
    for (const kind of ['config.json', 'config.json.bak', 'keys', 'index', 'points', 'gc', 'damage'])
      assert.ok(kinds.has(kind));
    const copy = await small.copy();
    for (const [name, bytes] of files) {
      const everyone = /^(config|keys)/.test(name);
      const own = points.filter((point) => name.includes(point.id));
      const hit = everyone ? idsOf(points) : idsOf(own);
      const step = Math.max(1, Math.floor(bytes / 9));
      for (
        let position = 0;
        position < bytes;
        position = position === bytes - 1 ? bytes : Math.min(position + step, bytes - 1)
      ) {
        copy.storage.flip(name, position, position % 8);
        const { problems } = await copy.repository.verify({ readData: false, signal });
        const place = `${name}, byte ${position}`;
        assert.deepEqual(
          problems.map((problem) => problem.what),
          [name],
          place,
        );
        assert.deepEqual(hitNames(problems), hit, place);
        copy.storage.flip(name, position, position % 8);
      }
    }
  });

  test('one flipped bit anywhere in a pack is found, and exactly the restore points whose maps use the blob are named', async () => {
    const { small } = sample;
    const packs = [...small.storage.files()].filter(([name]) => parsePackName(name) !== undefined);
    for (const [name, bytes] of packs) {
      for (const position of [0, 300, bytes - 65, bytes - 1]) {
        const copy = await small.copy();
        copy.storage.flip(name, position, position % 8);
        const { problems } = await copy.repository.verify({ readData: true, signal });
        const place = `${name}, byte ${position} of ${bytes}`;
        assert.equal(problems.length, 1, place);
        assert.ok(problems[0]?.what.includes(name), place);
        assert.deepEqual(hitNames(problems), await hitByPack(name, position), place);
      }
    }
  });

  test('checking a pack misses no bit of it', async () => {
    const { small } = sample;
    for (const kind of ['m/', 'd/']) {
      const name = [...small.storage.files().keys()].find((file) => file.startsWith(kind)) ?? '';
      const bytes = small.storage.bytes(name);
      const whole = checkPack({ name, expected: undefined }, bytes, small.core.opener);
      assert.deepEqual([whole.fileError, whole.bad.length], [undefined, 0]);
      const step = Math.max(1, Math.floor(bytes.length / 400));
      for (let position = 0; position < bytes.length; position += step) {
        for (const bit of kind === 'm/' ? [0, 1, 2, 3, 4, 5, 6, 7] : [position % 8]) {
          bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
          const { fileError } = checkPack({ name, expected: undefined }, bytes, small.core.opener);
          bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
          assert.ok(fileError, `byte ${position}, bit ${bit}`);
        }
      }
    }
  });

  test('a flipped bit is found as well by a program that opens the repository only then', async () => {
    const { small } = sample;
    for (const [name] of small.storage.files()) {
      const copy = await small.copy();
      copy.storage.flip(name, 9, 1);
      // The password opens what the recovery key does not, when that key's slot is the damaged one.
      const opened = await openRepository('memory', {
        password: copy.recoveryKey,
        signal,
        backend: copy.storage,
      }).catch(async (error: unknown) => {
        assert.ok(name.startsWith('keys/') && TidemarkError.is(error, 'TM4003'), name);
        return openRepository('memory', { password, signal, backend: copy.storage });
      });
      const { problems } = await opened.verify({ readData: true, signal });
      assert.ok(
        problems.some((problem) => problem.what.includes(name)),
        name,
      );
    }
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

  test('damage that was repaired on the storage is forgotten by the next verification', async () => {
    const copy = await sample.small.copy();
    const name = [...copy.storage.files().keys()].find((file) => file.startsWith('d/')) ?? '';
    copy.storage.flip(name, 200, 3);
    assert.equal((await copy.repository.verify({ readData: true, signal })).problems.length, 1);
    copy.storage.flip(name, 200, 3);
    assert.deepEqual((await copy.repository.verify({ readData: true, signal })).problems, []);
    assert.deepEqual((await copy.repository.verify({ readData: false, signal })).problems, []);
  });

  test('a missing and a truncated pack are found without reading data, with the restore points that need them', async () => {
    const { small } = sample;
    for (const name of small.storage.files().keys()) {
      if (parsePackName(name) === undefined) continue;
      const hit = new Set((await recordsOf(name)).flatMap(({ users }) => users));
      for (const damage of ['missing', 'truncated'] as const) {
        const copy = await small.copy();
        if (damage === 'missing') copy.storage.set(name, undefined);
        else copy.storage.set(name, copy.storage.bytes(name).subarray(0, 10));
        const { problems } = await copy.repository.verify({ readData: false, signal });
        assert.deepEqual(
          problems.map((problem) => problem.what),
          [name],
          damage,
        );
        assert.deepEqual(hitNames(problems), [...hit].sort(), `${name} ${damage}`);
      }
    }
  });

  test('a file that does not belong there is a problem of nobody', async () => {
    const copy = await sample.small.copy();
    copy.storage.set(['points', 'notes.txt'].join('/'), Buffer.from('x'));
    copy.storage.set(['d', 'stray'].join('/'), Buffer.from('x'));
    const { problems } = await copy.repository.verify({ readData: false, signal });
    assert.deepEqual(
      problems.map(({ what, restorePoints }) => [what, restorePoints]),
      [
        ['points/notes.txt', []],
        ['d/stray', []],
      ],
    );
  });

  test('an index that was lost is rebuilt, and nothing is hit', async () => {
    const copy = await sample.small.copy();
    for (const name of copy.storage.files().keys()) if (name.startsWith('index/')) copy.storage.set(name, undefined);
    await copy.reopen();
    assert.deepEqual(hitNames((await copy.repository.verify({ readData: true, signal })).problems), []);
    assert.ok([...copy.storage.files().keys()].some((name) => name.startsWith('index/')));
  });

  test('worker threads find what is wrong in a repository that is not small', async () => {
    const small = await SmallRepository.create();
    const seeds = Array.from({ length: 150 }, (_, index) => 3 * index + 1);
    const point = await backup(small, { vm: 1, disks: [diskOf(seeds)], diskChunks: 160, packChunks: 20 });
    const location = mkdtempSync(join(tmpdir(), 'tidemark-verify-'));
    try {
      small.writeTo(location);
      const whole = await small.openAt(location);
      assert.deepEqual((await whole.repository.verify({ readData: true, signal })).problems, []);
      const packs = [...small.storage.files().keys()].filter((name) => name.startsWith('d/'));
      for (const name of packs) small.storage.flip(name, 70_000, 5);
      small.writeTo(location);
      const { core, repository } = await small.openAt(location);
      const { problems, blobs } = await repository.verify({ readData: true, signal });
      assert.equal(problems.length, packs.length);
      assert.equal(blobs, core.index.entryCount);
      for (const problem of problems) assert.deepEqual(problem.restorePoints, [point.id]);
      const abort = new AbortController();
      const running = repository.verify({ readData: true, signal: abort.signal, onProgress: () => abort.abort() });
      await assert.rejects(running, (error) => TidemarkError.is(error, 'TM1999'));
    } finally {
      rmSync(location, { recursive: true, force: true });
    }
  });

  test('cancelling ends a verification, and its lease with it', async () => {
    const copy = await sample.small.copy();
    const abort = new AbortController();
    const running = copy.repository.verify({ readData: true, signal: abort.signal, onProgress: () => abort.abort() });
    await assert.rejects(running, (error) => TidemarkError.is(TidemarkError.from(error), 'TM1999'));
    assert.deepEqual(await copy.core.liveLeases(signal), []);
  });
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
