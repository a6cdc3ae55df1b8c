import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { ChunkSealer, openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import {
  assertDisk,
  backUp,
  changed,
  chunkBytes,
  chunkOf,
  emptyRepository,
  newPoint,
  one,
  password,
  signal,
  storeChanges,
  storedDisk,
  temporaryFolder,
} from './support.ts';
import type { Disk } from './support.ts';

const first: Disk = [1, 0, 2, 3, 0, 0, 4, 2];

async function opened(folder: { readonly path: string }): Promise<ReturnType<typeof openRepository>> {
  const { recoveryKey } = await emptyRepository(join(folder.path, 'r'));
  return openRepository(join(folder.path, 'r'), { password: recoveryKey, signal });
}

function packFiles(location: string, kind: 'd' | 'm'): string[] {
  return readdirSync(join(location, kind), { recursive: true, encoding: 'utf8' }).filter((name) => name.length > 60);
}

describe('writing and reading restore points', () => {
  it('gives back every restore point of a disk that changes, from a repository opened anew', async () => {
    using folder = temporaryFolder();
    const { recoveryKey } = await emptyRepository(join(folder.path, 'r'));
    const location = join(folder.path, 'r');
    const repository = await openRepository(location, { password: recoveryKey, signal });
    const disks = [first, changed(first, { 1: 7, 3: 0 }), changed(first, { 1: 7, 3: 0, 7: 9 })];
    let base: Parameters<typeof backUp>[2] = {};
    for (const disk of disks) {
      const point = await backUp(repository, disk, base);
      base = { base: { point, disk } };
    }
    await repository.close();
    const again = await openRepository(location, { password: recoveryKey, signal });
    const { points, damaged } = await again.listRestorePoints(signal);
    assert.deepEqual(damaged, []);
    assert.equal(points.length, disks.length);
    for (const [index, point] of points.entries()) {
      await assertDisk(again, point, disks[index] ?? []);
      assert.equal(Buffer.from(await again.readBlob(point.configuration, signal)).toString(), '{"name":"sql01"}');
      assert.deepEqual(await again.readRestorePoint(point.id, signal), point);
      const data = (disks[index] ?? []).filter((seed) => seed !== 0).length * chunkBytes;
      assert.equal(point.disks[0]?.map.dataBytes, data);
    }
    assert.deepEqual(again.warnings, []);
  });

  it('gives back any series of disks (property)', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const seeds = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(seeds, { minLength: 1, maxLength: 4 }), async (disks) => {
        let base: Parameters<typeof backUp>[2] = {};
        for (const disk of disks) {
          const point = await backUp(repository, disk, base);
          await assertDisk(repository, point, disk);
          const data = disk.filter((seed) => seed !== 0).length * chunkBytes;
          assert.equal(point.disks[0]?.map.dataBytes, data);
          base = { base: { point, disk } };
        }
      }),
      { numRuns: 15 },
    );
  });

  it('shares the pages of a map that did not change, and counts data exactly, over thousands of chunks', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    // Four pages, the last of them short, and all zeros but for the changes.
    const chunks = 3 * 1024 + 100;
    const geometry = { sizeBytes: chunks * chunkBytes - 512, chunkBytes };
    const disk: number[] = Array.from({ length: chunks }, (_, chunk) => (chunk < 1100 ? 2 : 0));
    disk[chunks - 1] = 4;
    await using session = await repository.beginWrite({ signal, note: 'test' });
    const backend = openLocalBackend(repository.location);
    const changes = await storeChanges(repository, session, backend, undefined, disk);
    const map = await session.saveMap(undefined, geometry, one(changes), signal);
    assert.equal(map.dataBytes, 1101 * chunkBytes - 512);
    const configuration = await session.putMetadata('vm-config', Buffer.from('{}'), signal);
    const point = await session.commit(newPoint([storedDisk(geometry.sizeBytes, map)], configuration), signal);
    const before = packFiles(repository.location, 'm').length;
    const base = repository.openMap(point.disks[0] ?? assert.fail());
    const next = await session.saveMap(
      base,
      geometry,
      one({ chunks: Uint32Array.of(2000), ids: new Uint8Array(32) }),
      signal,
    );
    assert.deepEqual(next, map, 'zeros over zeros change nothing');
    await session.flush(signal);
    assert.equal(packFiles(repository.location, 'm').length, before, 'nothing was written');
    const used = await base.usedChunks(signal);
    const usedCount = used.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    assert.equal(usedCount, 1101);
  });

  it('stores the same data once, across restore points and disks', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    await backUp(repository, first);
    const packs = packFiles(repository.location, 'd').length;
    const point = await backUp(repository, first.toReversed());
    assert.equal(packFiles(repository.location, 'd').length, packs);
    await assertDisk(repository, point, first.toReversed());
  });

  it('claims zeros never, a chunk once in a session, and in every session while no pack holds it', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    const otherInstance = await openRepository(location, { password: recoveryKey, signal });
    await using here = await repository.beginWrite({ signal, note: 'one' });
    await using beside = await repository.beginWrite({ signal, note: 'two' });
    await using elsewhere = await otherInstance.beginWrite({ signal, note: 'three' });
    const ids = new Uint8Array(96);
    ids.fill(7, 0, 32);
    ids.fill(7, 64, 96);
    assert.deepEqual([...here.claim(ids)], [1, 0, 0]);
    assert.deepEqual([...here.claim(ids)], [0, 0, 0]);
    assert.deepEqual([...beside.claim(ids)], [1, 0, 0]);
    assert.deepEqual([...elsewhere.claim(ids)], [1, 0, 0]);
    const backend = openLocalBackend(location);
    await storeChanges(repository, here, backend, undefined, [1]);
    const sealer = new ChunkSealer(repository.exportKeys(), repository.id);
    const stored = new Uint8Array(32);
    sealer.id(chunkOf(1), stored, 0);
    assert.deepEqual([...beside.claim(stored)], [0], 'durable, whoever made it');
  });

  it('finds in another instance of the repository what the first one wrote', async () => {
    using folder = temporaryFolder();
    const { recoveryKey } = await emptyRepository(join(folder.path, 'r'));
    const location = join(folder.path, 'r');
    const writer = await openRepository(location, { password: recoveryKey, signal });
    const reader = await openRepository(location, { password: recoveryKey, signal });
    await backUp(writer, first);
    const { points } = await reader.listRestorePoints(signal);
    await assertDisk(reader, points[0] ?? assert.fail(), first);
    const packs = packFiles(location, 'd').length;
    await backUp(reader, first);
    assert.equal(packFiles(location, 'd').length, packs, 'the chunks were found, not stored again');
  });

  it('refuses to commit while a claimed chunk is in no pack', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    await using session = await repository.beginWrite({ signal, note: 'test' });
    const ids = new Uint8Array(32).fill(9);
    session.claim(ids);
    const map = await session.saveMap(
      undefined,
      { sizeBytes: chunkBytes, chunkBytes },
      one({ chunks: Uint32Array.of(0), ids }),
      signal,
    );
    const configuration = await session.putMetadata('vm-config', Buffer.from('{}'), signal);
    await assert.rejects(session.commit(newPoint([storedDisk(chunkBytes, map)], configuration), signal), {
      code: errorCodes.blobMissing,
    });
    assert.deepEqual((await repository.listRestorePoints(signal)).points, []);
  });

  it('refuses to commit a restore point whose map or configuration no pack holds', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const point = await backUp(repository, first);
    await using session = await repository.beginWrite({ signal, note: 'test' });
    const { id: _id, finishedAt: _end, ...good } = point;
    const pages = Buffer.alloc(32, 5).toString('base64');
    const disk = point.disks[0] ?? assert.fail();
    const lost = { ...good, disks: [{ ...disk, map: { ...disk.map, root: { type: 'inline' as const, pages } } }] };
    await assert.rejects(session.commit(lost, signal), { code: errorCodes.blobMissing });
    await session.commit(good, signal);
  });

  it('refuses metadata that no reader would take', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    await using session = await repository.beginWrite({ signal, note: 'test' });
    for (const bytes of [new Uint8Array(0), new Uint8Array(64 * 1024 * 1024 + 1)]) {
      await assert.rejects(session.putMetadata('vm-config', bytes, signal), { code: errorCodes.invalidInput });
    }
  });

  it('refuses to build on a restore point that was deleted meanwhile', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const point = await backUp(repository, first);
    await repository.deleteRestorePoint(point.id, signal);
    await assert.rejects(backUp(repository, first, { base: { point, disk: first } }), {
      code: errorCodes.restorePointNotFound,
    });
  });

  it('deletes a restore point and keeps the others whole', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const second = changed(first, { 0: 5 });
    const point = await backUp(repository, first);
    const next = await backUp(repository, second, { base: { point, disk: first } });
    await repository.deleteRestorePoint(point.id, signal);
    await assert.rejects(repository.readRestorePoint(point.id, signal), { code: errorCodes.restorePointNotFound });
    await assert.rejects(repository.deleteRestorePoint(point.id, signal), { code: errorCodes.restorePointNotFound });
    await assertDisk(repository, next, second);
  });

  it('gives a restore point an id greater than those before, also when the clock went back', async (context) => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const point = await backUp(repository, first);
    context.mock.method(Date, 'now', () => 1_000_000_000_000);
    const next = await backUp(repository, first);
    assert.ok(next.id > point.id);
  });

  it('keeps packs of a session that failed for the next one', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const backend = openLocalBackend(repository.location);
    {
      await using session = await repository.beginWrite({ signal, note: 'fails' });
      await storeChanges(repository, session, backend, undefined, first);
    }
    const packs = packFiles(repository.location, 'd').length;
    await backUp(repository, first);
    assert.equal(packFiles(repository.location, 'd').length, packs);
  });

  it('does not take a folder whose disk is gone for a repository without restore points', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    await backUp(repository, first);
    rmSync(repository.location, { recursive: true });
    const gone = { code: errorCodes.repositoryUnavailable };
    await assert.rejects(repository.listRestorePoints(signal), gone);
    await assert.rejects(repository.beginWrite({ signal, note: 'test' }), gone);
  });

  it('names a chunk that no pack holds', async () => {
    using folder = temporaryFolder();
    const repository = await opened(folder);
    const point = await backUp(repository, first);
    rmSync(join(repository.location, 'd'), { recursive: true });
    rmSync(join(repository.location, 'index'), { recursive: true });
    const again = await openRepository(repository.location, { password, signal });
    await assert.rejects(assertDisk(again, point, first), { code: errorCodes.blobMissing, message: /[0-9a-f]{64}/ });
  });
});
