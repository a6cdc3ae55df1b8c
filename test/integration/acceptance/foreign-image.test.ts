import assert from 'node:assert/strict';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { hasTool, tool } from './support/command.ts';
import { Site, vmName } from './support/site.ts';

const MiB = 1024 * 1024;
const ext4Bytes = 48 * MiB;
const ntfsBytes = 24 * MiB;
const disks = ['linux', 'windows'] as const;
const needed = ['qemu-img', 'vhdiinfo', 'mkfs.ext4', 'debugfs', 'e2fsck', 'mkfs.ntfs'];
const missing = needed.filter((name) => !hasTool(name));

/** Two VHDX files that no code of ours wrote, each with a file system that no code of ours made. */
async function foreignImages(site: Site): Promise<readonly string[]> {
  const content = site.file('content');
  await mkdir(join(content, 'etc'), { recursive: true });
  for (let at = 0; at < 40; at++) {
    await writeFile(join(content, 'etc', `file-${at}`), `line ${at}\n`.repeat(200 * (at + 1)));
  }
  const ext4 = site.file('ext4.raw');
  await writeFile(ext4, '');
  await truncate(ext4, ext4Bytes);
  await tool('mkfs.ext4', ['-q', '-d', content, ext4]);
  const ntfs = site.file('ntfs.raw');
  await writeFile(ntfs, '');
  await truncate(ntfs, ntfsBytes);
  await tool('mkfs.ntfs', ['-F', '-Q', '-q', '-L', 'foreign', ntfs]);
  const images: string[] = [];
  for (const raw of [ext4, ntfs]) {
    const vhdx = raw.replace('.raw', '.vhdx');
    await tool('qemu-img', ['create', '-q', '-f', 'vhdx', vhdx, String(raw === ext4 ? ext4Bytes : ntfsBytes)]);
    await tool('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'vhdx', raw, vhdx]);
    images.push(vhdx);
  }
  return images;
}

/** The guest adds a file to its ext4: what debugfs changes in a copy of the disk goes through the change tracker, block by block. */
async function guestAddsFile(site: Site, host: string, name: string): Promise<void> {
  const before = await readFile(await site.guestDisk(host, 'linux'));
  const changed = site.newFile('raw');
  await writeFile(changed, before);
  const content = site.newFile('txt');
  await writeFile(content, `${name}\n`.repeat(30_000));
  await tool('debugfs', ['-w', '-R', `write ${content} ${name}`, changed]);
  const after = await readFile(changed);
  const block = 256 * 1024;
  for (let start = 0; start < after.length;) {
    let end = start;
    while (end < after.length && !after.subarray(end, end + block).equals(before.subarray(end, end + block)))
      end += block;
    if (end > start) {
      const piece = site.newFile('bin');
      await writeFile(piece, after.subarray(start, end));
      const where = [site.root(host), vmName, 'linux'];
      await site.run(['sim', 'write', ...where, '--offset', String(start), '--from', piece]);
    }
    start = end + block;
  }
}

interface Moment {
  readonly point: RestorePointInfo;
  /** What the guest saw then, disk by disk. */
  readonly images: readonly string[];
}

/** A backup, and raw copies of the disks as they are at its time. */
async function moment(site: Site, host: string): Promise<Moment> {
  const images: string[] = [];
  for (const disk of disks) images.push(await site.guestDisk(host, disk));
  return { point: await site.backUp(), images };
}

test(
  'disk images of other tools go in and come out the same at every restore point: through incrementals, a power failure and a migration',
  { skip: missing.length > 0 && `not installed: ${missing.join(', ')}` },
  async (t) => {
    const site = await Site.make(t);
    const images = await foreignImages(site);
    const imports = disks.flatMap((disk, at) => ['--import-disk', `${disk}=${images[at] ?? ''}`]);
    await site.addHost('hv01', imports);
    await site.addHost('hv02');
    await site.initRepository();
    const guestWorks = async (host: string, turn: number): Promise<void> => {
      await guestAddsFile(site, host, `added-${turn}`);
      const where = [site.root(host), vmName, 'windows'];
      await site.run(['sim', 'load', ...where, '--percent', '2', '--seed', String(turn)]);
    };

    const moments = [await moment(site, 'hv01')];
    await guestWorks('hv01', 1);
    moments.push(await moment(site, 'hv01'));
    await guestWorks('hv01', 2);
    await site.run(['sim', 'power', site.root('hv01'), vmName, 'fail']);
    await site.run(['sim', 'power', site.root('hv01'), vmName, 'on']);
    await guestWorks('hv01', 3);
    moments.push(await moment(site, 'hv01'));
    await guestWorks('hv01', 4);
    await site.run(['sim', 'migrate', site.root('hv01'), vmName, site.root('hv02')]);
    await guestWorks('hv02', 5);
    moments.push(await moment(site, 'hv02'));

    assert.deepEqual(
      moments.map(({ point }) => point.type),
      ['full', 'incremental', 'incremental', 'incremental'],
    );
    assert.equal(moments.at(-1)?.point.host, 'hv02');
    for (const { point } of moments.slice(1)) {
      for (const disk of point.disks) {
        assert.equal(disk.kind.type, 'incremental', disk.name);
        assert.ok(disk.stats.readBytes > 0 && disk.stats.readBytes < disk.sizeBytes, disk.name);
      }
    }
    for (const { point, images: then } of moments) {
      for (const [at, disk] of disks.entries()) await checkRestores(site, point, disk, then[at] ?? '');
    }
  },
);

async function checkRestores(site: Site, point: RestorePointInfo, disk: string, expected: string): Promise<void> {
  const raw = await site.restore(point.id, 'raw', disk);
  await tool('cmp', [raw, expected]);
  if (disk === 'linux') await tool('e2fsck', ['-f', '-n', raw]);
  const vhdx = await site.restore(point.id, 'vhdx', disk);
  await tool('qemu-img', ['compare', '-f', 'vhdx', '-F', 'raw', vhdx, expected]);
  await tool('qemu-img', ['check', '-q', '-f', 'vhdx', vhdx]);
  assert.match(await tool('vhdiinfo', [vhdx]), /VHDX \(version 2\)[^]*Media size\s*: (48|24) MiB/);
}
