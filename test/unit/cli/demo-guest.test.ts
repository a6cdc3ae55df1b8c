import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { firstDifference } from '../../../server/cli/demo/compare.ts';
import { noise, prose } from '../../../server/cli/demo/contents.ts';
import { FatVolume } from '../../../server/cli/demo/fat-volume.ts';
import { FileDevice, MemoryDevice, sectorBytes } from '../../../server/cli/demo/sector-device.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';

/** Not much more than the smallest FAT32 volume of 4 KiB clusters. */
const diskBytes = 272 * 1024 * 1024;
/** Where FatFs puts the first partition, sectors. */
const partitionSector = 63;

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const sbin = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
const has = (tool: string): boolean => spawnSync(tool, ['--help'], { env: sbin }).error === undefined;

async function makeVolume(): Promise<{ device: MemoryDevice; volume: FatVolume }> {
  const device = new MemoryDevice(diskBytes);
  const volume = await FatVolume.format(device);
  volume.makeFolder('/documents');
  volume.writeFile('/documents/A long name, with a comma.txt', prose(1, 1_000_000));
  volume.writeFile('/camera.bin', noise(2, 3_000_001));
  return { device, volume };
}

test('A file system reads back what it was given, also after it was patched', async () => {
  const { device, volume } = await makeVolume();
  const expected = noise(2, 3_000_001);
  expected.set(noise(3, 5000), 1_234_567);
  volume.patchFile('/camera.bin', 1_234_567, noise(3, 5000));
  volume[Symbol.dispose]();
  using again = await FatVolume.mount(device);
  assert.deepEqual(
    again.listFiles().map(({ path, sizeBytes }) => [path, sizeBytes]),
    [
      ['/camera.bin', 3_000_001],
      ['/documents/A long name, with a comma.txt', 1_000_000],
    ],
  );
  assert.ok(again.readFile('/camera.bin').equals(expected));
});

test('What a device says was written is all that was written: replayed elsewhere it gives the same disk', async () => {
  const { device, volume } = await makeVolume();
  const replica = new MemoryDevice(diskBytes);
  for (const { offset, bytes } of device.takeDirty()) replica.write(bytes, offset);
  volume.removeFile('/documents/A long name, with a comma.txt');
  volume.patchFile('/camera.bin', 8192, noise(4, 512));
  const second = [...device.takeDirty()];
  assert.ok(second.reduce((sum, { bytes }) => sum + bytes.length, 0) < 64 * 1024);
  for (const { offset, bytes } of second) replica.write(bytes, offset);
  const [one, other] = [Buffer.alloc(1024 * 1024), Buffer.alloc(1024 * 1024)];
  for (let offset = 0; offset < diskBytes; offset += one.length) {
    device.read(one, offset);
    replica.read(other, offset);
    assert.ok(one.equals(other), `the same at byte ${offset}`);
  }
  assert.deepEqual([...device.takeDirty()], []);
});

test('fsck.fat and mtools accept the file system', { skip: !has('fsck.fat') || !has('mdir') }, async () => {
  const { device, volume } = await makeVolume();
  volume.removeFile('/camera.bin');
  volume[Symbol.dispose]();
  await withFolder(async (folder) => {
    const disk = Buffer.alloc(diskBytes);
    device.read(disk, 0);
    const partition = join(folder, 'partition.img');
    await writeFile(partition, disk.subarray(partitionSector * sectorBytes));
    const check = spawnSync('fsck.fat', ['-n', '-v', partition], { encoding: 'utf8', env: sbin });
    assert.equal(check.status, 0, check.stdout + check.stderr);
    const listing = spawnSync('mdir', ['-b', '-i', partition, '::/documents'], { encoding: 'utf8' });
    assert.match(listing.stdout, /A long name, with a comma\.txt/);
  });
});

test('A disk that is no file system, or one open for reading only, is refused with an error', async () => {
  await assert.rejects(FatVolume.mount(new MemoryDevice(diskBytes)), (error) => TidemarkError.is(error));
  const { device } = await makeVolume();
  await withFolder(async (folder) => {
    const disk = Buffer.alloc(diskBytes);
    device.read(disk, 0);
    const file = join(folder, 'disk.raw');
    await writeFile(file, disk);
    await using handle = await open(file, 'r');
    using volume = await FatVolume.mount(new FileDevice(handle.fd, diskBytes));
    assert.equal(volume.readFile('/camera.bin').length, 3_000_001);
    assert.throws(() => volume.writeFile('/new.txt', Buffer.from('x')), TidemarkError);
  });
});

test('Comparing files finds the first byte that differs, and a difference in length', async () => {
  await withFolder(async (folder) => {
    const [one, other] = [join(folder, 'one'), join(folder, 'other')];
    const bytes = noise(5, 9_000_000);
    await writeFile(one, bytes);
    await writeFile(other, bytes);
    assert.equal(await firstDifference(one, other), undefined);
    await writeFile(other, bytes.subarray(0, 8_999_999));
    assert.equal(await firstDifference(one, other), 8_999_999);
    bytes[8_388_609] = (bytes[8_388_609] ?? 0) ^ 1;
    await writeFile(other, bytes);
    assert.equal(await firstDifference(one, other), 8_388_609);
  });
});
