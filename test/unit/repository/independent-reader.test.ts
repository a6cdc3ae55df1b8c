import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { IndependentReader } from '../../support/independent-reader.ts';
import { backup, chunkBytes, chunkContent, diskOf, password, signal, SmallRepository } from './small-repository.ts';
import type { DiskModel } from './small-repository.ts';

function bytesOf(disk: DiskModel, chunks: number): Buffer {
  const bytes = Buffer.alloc(chunks * chunkBytes);
  for (const [chunk, seed] of disk) chunkContent(seed).copy(bytes, chunk * chunkBytes);
  return bytes;
}

test('a reader that knows only the documentation of the format reads every disk', async () => {
  const small = await SmallRepository.create();
  // Two pages of map, chunks that compress and chunks that do not, unchanged pages shared with the restore point before.
  const chunks = 1100;
  const first = new Map([...diskOf([1, 2, 3, 4, 5, 6]), [1030, 7], [1099, 9]]);
  const second = new Map([...first, [2, 30], [1099, 31]]);
  const a = await backup(small, { vm: 1, disks: [first, diskOf([3])], diskChunks: chunks, packChunks: 3 });
  const b = await backup(small, { vm: 1, disks: [second], diskChunks: chunks, base: { point: a, disks: [first] } });
  const gone = await backup(small, { vm: 2, disks: [diskOf([60, 61])] });
  await small.repository.deleteRestorePoint(gone.id, signal);
  // Segments that supersede others, records that moved to other packs.
  await small.repository.collectGarbage({ dryRun: false, now: true, signal });

  const location = mkdtempSync(join(tmpdir(), 'tidemark-reader-'));
  try {
    small.writeTo(location);
    const reader = new IndependentReader(location, password);
    assert.ok(reader.readDisk(a.id, 'disk0').equals(bytesOf(first, chunks)));
    assert.ok(reader.readDisk(a.id, 'disk1').equals(bytesOf(diskOf([3]), chunks)));
    assert.ok(reader.readDisk(b.id, 'disk0').equals(bytesOf(second, chunks)));
    assert.deepEqual(Object(reader.readConfiguration(b.id)), { vm: 1, at: [[...second]] });
  } finally {
    rmSync(location, { recursive: true, force: true });
  }
});
