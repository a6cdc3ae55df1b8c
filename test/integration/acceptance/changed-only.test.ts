import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { test } from 'node:test';

import { hasTool, tool } from './support/command.ts';
import { diskName, Site, vmName } from './support/site.ts';

const GiB = 1024 ** 3;

/** The chunks of a file that are not zero. */
async function chunksWithData(path: string, chunkBytes: number): Promise<number> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(chunkBytes);
    const zeros = Buffer.alloc(chunkBytes);
    let found = 0;
    for (let offset = 0; offset < size; offset += chunkBytes) {
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, offset);
      if (!buffer.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead))) found += 1;
    }
    return found;
  } finally {
    await file.close();
  }
}

test('an incremental of 1 % of a 4 GiB disk reads at most 1.15 times the changed chunks, and one of nothing reads nothing', async (t) => {
  const site = await Site.withVm(t, '4GiB');
  const full = await site.backUp();
  assert.equal(full.disks[0]?.stats.readBytes, 0, 'an empty disk');
  await site.run(['sim', 'load', site.root('hv01'), vmName, diskName, '--percent', '1', '--seed', '11']);
  const raw = await site.guestDisk();
  const incremental = await site.backUp();
  const disk = incremental.disks[0];
  assert.ok(disk);
  assert.equal(disk.kind.type, 'incremental');
  // The disk was empty before: a chunk that holds data has changed.
  const changedBytes = (await chunksWithData(raw, disk.chunkBytes)) * disk.chunkBytes;
  assert.ok(changedBytes >= (4 * GiB) / 100);
  const { readBytes, storedBytes } = disk.stats;
  assert.ok(readBytes >= changedBytes, `read ${readBytes} of ${changedBytes} changed bytes`);
  assert.ok(readBytes <= changedBytes * 1.15, `read ${readBytes} for ${changedBytes} changed bytes`);
  assert.ok(storedBytes <= readBytes);

  const nothing = await site.backUp();
  assert.equal(nothing.disks[0]?.kind.type, 'incremental');
  assert.equal(nothing.disks[0].stats.readBytes, 0);
  if (!hasTool('qemu-img')) return;
  await tool('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', await site.restore(nothing.id, 'raw'), raw]);
});
