import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { describe, it } from 'node:test';

import { openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import {
  assertDisk,
  chunkBytes,
  emptyRepository,
  newPoint,
  one,
  signal,
  storeChanges,
  storedDisk,
  temporaryFolder,
} from './support.ts';

describe('maps of large disks', () => {
  it('have a root of their own, come back in bounded batches, and share it when nothing changed', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    const chunks = 3_000_000;
    const filled = 140_000;
    const geometry = { sizeBytes: chunks * chunkBytes, chunkBytes };
    await using session = await repository.beginWrite({ signal, note: 'test' });
    const { ids } = await storeChanges(repository, session, openLocalBackend(location), undefined, [1, 2]);
    const [first, second] = [ids.subarray(0, 32), ids.subarray(32)];
    const changes = { chunks: new Uint32Array(filled + 1), ids: new Uint8Array((filled + 1) * 32) };
    for (let chunk = 0; chunk < filled; chunk++) {
      changes.chunks[chunk] = chunk;
      changes.ids.set(chunk % 2 === 0 ? first : second, chunk * 32);
    }
    changes.chunks[filled] = chunks - 1;
    changes.ids.set(second, filled * 32);
    const map = await session.saveMap(undefined, geometry, one(changes), signal);
    assert.equal(map.root.type, 'blob');
    assert.equal(map.dataBytes, (filled + 1) * chunkBytes);
    const configuration = await session.putMetadata('vm-config', Buffer.from('{}'), signal);
    const point = await session.commit(newPoint([storedDisk(geometry.sizeBytes, map)], configuration), signal);
    const stored = repository.openMap(point.disks[0] ?? assert.fail());

    const seen = new Set<number>();
    let batches = 0;
    for await (const batch of stored.locatedChunks(signal)) {
      batches += 1;
      let last = -1;
      for (const { chunk, id, location: place } of batch) {
        assert.ok(place.offset >= last, 'sorted by offset, since there is one pack');
        last = place.offset;
        assert.equal(Buffer.compare(id, chunk === chunks - 1 || chunk % 2 === 1 ? second : first), 0);
        seen.add(chunk);
      }
    }
    assert.ok(batches >= 2, `${batches} batches`);
    assert.equal(seen.size, filled + 1);
    assert.ok(seen.has(chunks - 1));
    const unchanged = await session.saveMap(
      stored,
      geometry,
      one({ chunks: new Uint32Array(), ids: new Uint8Array() }),
      signal,
    );
    assert.deepEqual(unchanged, map);
    const next = await session.saveMap(stored, geometry, one({ chunks: Uint32Array.of(5), ids: first }), signal);
    assert.equal(next.dataBytes, map.dataBytes);
    assert.notDeepEqual(next.root, map.root);
  });
});

describe('writers in two processes at once', () => {
  it('do not disturb each other, and find what the other one stored', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const script = `
      const { backUp, signal } = await import('${new URL('support.ts', import.meta.url).href}');
      const { openRepository } = await import('${new URL('../../../server/repository/index.ts', import.meta.url).href}');
      const [, location, password, seed] = process.argv;
      const repository = await openRepository(location, { password, signal });
      for (let run = 0; run < 5; run++) await backUp(repository, [1, 0, 2, Number(seed) + run]);`;
    const children = [100, 200].map((seed) =>
      spawn(execPath, ['--input-type=module', '-e', script, location, recoveryKey, String(seed)], { stdio: 'inherit' }),
    );
    for (const [code] of await Promise.all(children.map(async (child) => once(child, 'exit')))) assert.equal(code, 0);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    assert.deepEqual(repository.warnings, []);
    const { points, damaged } = await repository.listRestorePoints(signal);
    assert.deepEqual(damaged, []);
    assert.equal(points.length, 10);
    const disks = [100, 200].flatMap((seed) => Array.from({ length: 5 }, (_, run) => [1, 0, 2, seed + run]));
    let matched = 0;
    for (const disk of disks) {
      for (const point of points) {
        const same = await assertDisk(repository, point, disk).then(
          () => true,
          () => false,
        );
        if (same) matched += 1;
      }
    }
    assert.equal(matched, 10);
  });
});
