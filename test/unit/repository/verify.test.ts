import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import { openRepository } from '../../../server/repository/open.ts';
import { parsePackName } from '../../../server/repository/pack-toc.ts';
import { checkPack } from '../../../server/repository/verify/check-pack.ts';
import { backup, diskOf, idsOf, password, signal, SmallRepository } from './small-repository.ts';
import { hitByPack, hitNames, makeSample, recordsOf } from './verify-sample.ts';
import type { Sample } from './verify-sample.ts';

let sample: Sample;

before(async () => {
  sample = await makeSample();
});

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
      assert.deepEqual(hitNames(problems), await hitByPack(sample, name, position), place);
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

test('a missing and a truncated pack are found without reading data, with the restore points that need them', async () => {
  const { small } = sample;
  for (const name of small.storage.files().keys()) {
    if (parsePackName(name) === undefined) continue;
    const hit = new Set((await recordsOf(sample, name)).flatMap(({ users }) => users));
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
