import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { repositoryId } from '../../../server/protocol/ids.ts';
import { ChunkIndex } from '../../../server/repository/chunk-index.ts';
import { configFile, encodeConfig, newConfig } from '../../../server/repository/config.ts';
import { tocOf } from '../../../server/repository/index-export.ts';
import { openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import type { Repository } from '../../../server/repository/index.ts';
import { deriveKeys } from '../../../server/repository/keys.ts';
import { OpenCore } from '../../../server/repository/open-core.ts';
import { packName, tocEntryBytes, writeTocEntry } from '../../../server/repository/pack-toc.ts';
import { assertDisk, backUp, changed, emptyRepository, signal, temporaryFolder } from './support.ts';
import type { Disk } from './support.ts';

const first: Disk = [1, 0, 2, 3];

/** A table of contents of blobs with these ids, as a data pack has it. */
function tableOf(ids: readonly Uint8Array[]): Buffer {
  const toc = Buffer.alloc(ids.length * tocEntryBytes);
  for (const [index, id] of ids.entries()) {
    const place = { offset: index * 180, storedBytes: 100, rawBytes: 65_536 };
    writeTocEntry(toc, index * tocEntryBytes, { id, ...place, type: 1, compression: 1 });
  }
  return toc;
}

const packIdOf = (number: number): string => number.toString(16).padStart(64, '0');

function segments(location: string): string[] {
  return readdirSync(join(location, 'index')).map((name) => join(location, 'index', name));
}

async function filled(path: string): Promise<{ location: string; open: () => Promise<Repository>; disks: Disk[] }> {
  const location = join(path, 'r');
  const { recoveryKey } = await emptyRepository(location);
  const open = async (): Promise<Repository> => openRepository(location, { password: recoveryKey, signal });
  const repository = await open();
  const disks = [first, changed(first, { 1: 5 }), changed(first, { 3: 7 })];
  for (const disk of disks) await backUp(repository, disk);
  return { location, open, disks };
}

async function assertAll(repository: Repository, disks: readonly Disk[]): Promise<void> {
  const { points, damaged } = await repository.listRestorePoints(signal);
  assert.deepEqual(damaged, []);
  assert.equal(points.length, disks.length);
  for (const [index, point] of points.entries()) await assertDisk(repository, point, disks[index] ?? []);
}

describe('the index in memory', () => {
  it('finds exactly the blobs it was given, whatever their order and however often they occur (property)', () => {
    const id = fc.uint8Array({ minLength: 32, maxLength: 32, max: 2 });
    fc.assert(
      fc.property(fc.array(fc.array(id, { minLength: 1, maxLength: 20 }), { maxLength: 20 }), id, (packs, other) => {
        const index = new ChunkIndex();
        for (const [number, ids] of packs.entries()) index.addPack(packIdOf(number), 'data', 1000, tableOf(ids));
        const count = (wanted: Uint8Array): number =>
          packs.flat().filter((candidate) => Buffer.compare(candidate, wanted) === 0).length;
        for (const wanted of [...packs.flat(), other]) {
          assert.equal([...index.ordinals(wanted)].length, count(wanted));
          const ordinal = index.find(wanted);
          assert.equal(ordinal >= 0, count(wanted) > 0);
          if (ordinal >= 0) assert.deepEqual(index.idOf(ordinal), wanted);
        }
        for (const [number, ids] of packs.entries()) {
          const pack = index.pack(packIdOf(number)) ?? assert.fail();
          assert.deepEqual(tocOf(index, pack), tableOf(ids));
        }
      }),
    );
  });

  it('prefers a whole copy to a damaged one and a safe one to a condemned one, and offers neither to writers', () => {
    const index = new ChunkIndex();
    const id = randomBytes(32);
    const [a, b] = [packIdOf(1), packIdOf(2)];
    index.addPack(a, 'data', 1000, tableOf([id]));
    index.condemn([a]);
    assert.equal(index.isUsable(index.find(id)), false);
    index.addPack(b, 'data', 1000, tableOf([id]));
    assert.equal(index.entry(index.find(id)).pack.packId, b);
    assert.equal(index.isUsable(index.find(id)), true);
    index.markDamaged(b, id);
    assert.equal(index.entry(index.find(id)).pack.packId, a, 'condemned but whole');
    assert.equal(index.isUsable(index.find(id)), false);
    index.clearMarks();
    assert.equal(index.isUsable(index.find(id)), true);
  });

  it('takes less than 70 MB for a million entries', () => {
    const index = new ChunkIndex();
    for (let number = 0; number < 10_000; number++) {
      const ids = randomBytes(100 * 32);
      const table = tableOf(Array.from({ length: 100 }, (_, at) => ids.subarray(at * 32, at * 32 + 32)));
      index.addPack(packIdOf(number), 'data', 1000, table);
    }
    assert.equal(index.entryCount, 1_000_000);
    // The packs' own objects, one for a hundred entries here, are on the heap: half a kilobyte each is more than they take.
    assert.ok(index.memoryBytes + 10_000 * 500 < 70_000_000, `${index.memoryBytes} bytes of tables`);
  });
});

describe('index segments', () => {
  const harms: readonly [string, (file: string) => void][] = [
    ['empty', (file) => truncateSync(file, 0)],
    ['cut off', (file) => truncateSync(file, 50)],
    ['full of zeros', (file) => writeFileSync(file, Buffer.alloc(500))],
    [
      'changed in one bit',
      (file) => {
        const bytes = readFileSync(file);
        bytes[60] = (bytes[60] ?? 0) ^ 1;
        writeFileSync(file, bytes);
      },
    ],
  ];
  for (const [how, harm] of harms) {
    it(`that are ${how} do not stop the repository: they are rebuilt from the packs and replaced by the next run`, async () => {
      using folder = temporaryFolder();
      const { location, open, disks } = await filled(folder.path);
      for (const file of segments(location).slice(0, 2)) harm(file);
      const repository = await open();
      assert.equal(repository.warnings.length, 2);
      await assertAll(repository, disks);
      await backUp(repository, first);
      const healed = await open();
      assert.deepEqual(healed.warnings, []);
      await assertAll(healed, [...disks, first]);
    });
  }

  it('that are gone are rebuilt from the packs when a blob is not found', async () => {
    using folder = temporaryFolder();
    const { location, open, disks } = await filled(folder.path);
    for (const file of segments(location)) rmSync(file);
    const repository = await open();
    await assertAll(repository, disks);
    assert.equal(repository.warnings.length, 1);
    await backUp(repository, first);
    const healed = await open();
    assert.deepEqual(healed.warnings, []);
    await assertAll(healed, [...disks, first]);
  });

  it('that are damaged do not make writers store chunks again', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    for (const file of segments(location)) truncateSync(file, 0);
    const repository = await open();
    const before = readdirSync(join(location, 'd')).length;
    await backUp(repository, first);
    assert.equal(readdirSync(join(location, 'd')).length, before);
  });

  it('stay few over many runs', async () => {
    using folder = temporaryFolder();
    const { location, open, disks } = await filled(folder.path);
    const repository = await open();
    const all = [...disks];
    for (let seed = 100; seed < 160; seed++) {
      const disk = changed(first, { 0: seed });
      await backUp(repository, disk);
      all.push(disk);
    }
    const { length } = segments(location);
    assert.ok(length < 60, `${length} segments`);
    await assertAll(await open(), all);
  });
});

describe('a rewritten index', () => {
  it('forgets dropped packs, also in an instance that had loaded them, and is told from a newer segment by code', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const id = repositoryId('ab'.repeat(16), 'id');
    mkdirSync(location);
    writeFileSync(join(location, configFile), encodeConfig(newConfig(id, new Date().toISOString())));
    const core = (): OpenCore =>
      new OpenCore({
        id,
        location,
        backend: openLocalBackend(location),
        keys: deriveKeys(new Uint8Array(32), id),
        warnings: [],
      });
    const [one, two] = [core(), core()];
    const ids = [randomBytes(32), randomBytes(32)];
    for (const [number, blob] of ids.entries()) {
      const toc = tableOf([blob]);
      await one.backend.put(packName('data', packIdOf(number)), [toc]);
      one.addPack({ packId: packIdOf(number), kind: 'data', toc, fileBytes: 180 + toc.length + 64 });
      await one.flushIndex(signal);
    }
    await two.refreshIndex(signal);
    assert.ok(two.index.find(ids[0] ?? assert.fail()) >= 0);
    const kept = two.index;
    await one.rewriteIndex(new Set([packIdOf(0)]), signal);
    assert.equal(segments(location).length, 1);
    await two.refreshIndex(signal);
    for (const { index } of [one, two]) {
      assert.equal(index.find(ids[0] ?? assert.fail()), -1);
      assert.ok(index.find(ids[1] ?? assert.fail()) >= 0);
    }
    assert.ok(kept.find(ids[0] ?? assert.fail()) >= 0, 'whoever held the old index keeps it');
    const toc = tableOf([randomBytes(32)]);
    const wrong = { packId: packIdOf(9), kind: 'data' as const, toc, fileBytes: 500 };
    assert.throws(() => one.addPack(wrong), { code: errorCodes.repositoryCorrupt });
  });
});
