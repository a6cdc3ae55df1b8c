import assert from 'node:assert/strict';
import { copyFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  createVhdx,
  openVhdxWriter,
  openVirtualDisk,
  planVhdx,
  readVhdxInfo,
  settleVhdx,
} from '../../../server/vhdx/index.ts';
import { encodeEntry } from '../../../server/vhdx/log-entry.ts';
import { newGuid } from '../../../server/vhdx/guid.ts';
import { encodeHeader, readCurrentHeader } from '../../../server/vhdx/header.ts';
import { readRegions } from '../../../server/vhdx/region-table.ts';
import { openRandomFile } from '../../../server/vhdx/random-file.ts';
import { diskId } from '../../../server/protocol/ids.ts';
import { contentOf, extentsOf, missing, MiB, noise, scratch, tool } from './support.ts';

const noQemu = missing('qemu-img', 'qemu-io');
const noInfo = missing('vhdiinfo');

/** A raw disk image with data in some places. */
function sample(sizeBytes: number): Buffer {
  const image = Buffer.alloc(sizeBytes);
  for (const [index, part] of [0, 0.1, 0.34, 0.35, 0.8].entries()) {
    noise(300_000, index).copy(image, Math.floor(sizeBytes * part));
  }
  noise(700, 9).copy(image, sizeBytes - 700);
  return image;
}

test(
  'what qemu-img makes is read bit for bit: fixed and dynamic, all block sizes, ends inside a block',
  { skip: noQemu },
  async (t) => {
    const directory = await scratch(t);
    const raw = join(directory, 'disk.raw');
    const image = sample(37 * MiB + 512 * 3);
    await writeFile(raw, image);
    for (const options of [
      'subformat=dynamic,block_size=1M',
      'subformat=dynamic,block_size=2M,log_size=3M',
      'subformat=dynamic,block_size=32M',
      'subformat=fixed,block_size=16M',
      'subformat=fixed,block_size=256M',
    ]) {
      const path = join(directory, 'disk.vhdx');
      await tool('qemu-img', 'convert', '-f', 'raw', '-O', 'vhdx', '-o', options, raw, path);
      await using disk = await openVirtualDisk(path);
      assert.ok((await contentOf(disk)).equals(image), options);
      const copy = Buffer.alloc(image.length);
      for await (const { offset, length } of disk.allocated()) image.copy(copy, offset, offset, offset + length);
      assert.ok(copy.equals(image), `${options}: extents`);
    }
  },
);

test(
  'an empty disk of qemu-img has no allocated extents, and one write shows up as its block',
  { skip: noQemu },
  async (t) => {
    const directory = await scratch(t);
    const path = join(directory, 'disk.vhdx');
    await tool('qemu-img', 'create', '-f', 'vhdx', '-o', 'block_size=2M', path, '5G');
    const extents = async () => {
      await using disk = await openVirtualDisk(path);
      return await extentsOf(disk);
    };
    assert.deepEqual(await extents(), []);
    await tool('qemu-io', '-f', 'vhdx', '-c', 'write -P 7 4G 64k', path);
    assert.deepEqual(await extents(), [{ offset: 4096 * MiB, length: 2 * MiB }]);
  },
);

test(
  'what Tidemark writes passes qemu-img check and compares equal, before and after more writes by either side',
  { skip: noQemu },
  async (t) => {
    const directory = await scratch(t);
    const raw = join(directory, 'disk.raw');
    for (const type of ['dynamic', 'fixed'] as const) {
      for (const blockBytes of [MiB, 2 * MiB, 32 * MiB]) {
        const path = join(directory, `${type}-${blockBytes}.vhdx`);
        const image = sample(21 * MiB + 512 * 5);
        await createVhdx(path, { sizeBytes: image.length, type, blockBytes });
        const writer = await openVhdxWriter(path);
        for (const offset of [0, 0.1, 0.34, 0.35, 0.8].map((part) => Math.floor(image.length * part))) {
          await writer.write(image.subarray(offset, offset + 300_000), offset);
        }
        await writer.write(image.subarray(-700), image.length - 700);
        await writer.close();
        await writeFile(raw, image);
        await tool('qemu-img', 'check', '-f', 'vhdx', path);
        await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', path, raw);
        await tool('qemu-io', '-f', 'vhdx', '-c', 'write -P 85 6M 3M', path);
        image.fill(85, 6 * MiB, 9 * MiB);
        await using again = await openVhdxWriter(path);
        await again.write(image.subarray(0, 100), 0);
        noise(MiB, 77).copy(image, 12 * MiB);
        await again.write(image.subarray(12 * MiB, 13 * MiB), 12 * MiB);
        await again.close();
        await writeFile(raw, image);
        await tool('qemu-img', 'check', '-f', 'vhdx', path);
        await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', path, raw);
      }
    }
  },
);

test('vhdiinfo reads size, type and identifier of every kind of file', { skip: noInfo }, async (t) => {
  const directory = await scratch(t);
  for (const type of ['dynamic', 'fixed'] as const) {
    for (const logicalSectorBytes of [512, 4096]) {
      const path = join(directory, `${type}-${logicalSectorBytes}.vhdx`);
      await createVhdx(path, { sizeBytes: 10 * MiB, type, logicalSectorBytes });
      const text = await tool('vhdiinfo', path);
      assert.match(text, new RegExp(`Disk type\\s*: ${type}`, 'i'));
      assert.match(text, new RegExp(`\\(${10 * MiB} bytes\\)`));
      assert.match(text, new RegExp(`Bytes per sector\\s*: ${logicalSectorBytes}`));
      assert.match(text, new RegExp((await readVhdxInfo(path)).dataWriteGuid, 'i'));
    }
  }
});

test('a VHD of qemu-img, fixed or dynamic, is read bit for bit', { skip: noQemu }, async (t) => {
  const directory = await scratch(t);
  const raw = join(directory, 'disk.raw');
  const image = sample(37 * MiB);
  await writeFile(raw, image);
  for (const subformat of ['fixed', 'dynamic']) {
    const path = join(directory, `${subformat}.vhd`);
    await tool(
      'qemu-img',
      'convert',
      '-f',
      'raw',
      '-O',
      'vpc',
      '-o',
      `subformat=${subformat},force_size=on`,
      raw,
      path,
    );
    await using disk = await openVirtualDisk(path);
    assert.equal(disk.top.identity.format, 'vhd');
    assert.ok((await contentOf(disk)).equals(image), subformat);
    const copy = Buffer.alloc(image.length);
    for await (const { offset, length } of disk.allocated()) image.copy(copy, offset, offset, offset + length);
    assert.ok(copy.equals(image), `${subformat}: extents`);
  }
});

test(
  'a dirty log is read as qemu replays it, and replaying it makes the file readable for qemu',
  { skip: noQemu },
  async (t) => {
    const directory = await scratch(t);
    const path = join(directory, 'dirty.vhdx');
    const forQemu = join(directory, 'qemu.vhdx');
    const raw = join(directory, 'disk.raw');
    const image = sample(16 * MiB);
    await writeFile(raw, image);
    await tool('qemu-img', 'convert', '-f', 'raw', '-O', 'vhdx', '-o', 'block_size=1M', raw, path);
    // A block's entry goes to the log only: its data is at the end of the file, its table sector says "not present".
    const file = await openRandomFile(path, 'write');
    const end = Math.ceil((await file.size()) / MiB) * MiB;
    await file.truncate(end + MiB);
    const data = noise(MiB, 55);
    await file.write(data, end);
    const header = await readCurrentHeader(file);
    const bat = (await readRegions(file, await file.size())).bat.offset;
    const table = Buffer.alloc(4096);
    await file.read(table, bat);
    const block = 10;
    assert.notEqual(table.readBigUInt64LE(block * 8) & 7n, 6n, 'the block is free');
    table.writeBigUInt64LE(BigInt(end) + 6n, block * 8);
    const logGuid = newGuid();
    const entry = (sequence: bigint, tail: number, content: Buffer) =>
      encodeEntry({ tail, sequence, logGuid, flushedFileBytes: end, lastFileBytes: end + 2 * MiB }, [
        { offset: bat, data: content },
      ]);
    // The older entry must be overruled; the newest one wraps around the end of the log.
    const position = header.logBytes - 3 * 4096;
    const older = entry(7n, position, Buffer.alloc(4096));
    const newer = entry(8n, position, table);
    await file.write(older, header.logOffset + position);
    await file.write(newer.subarray(0, 4096), header.logOffset + position + older.length);
    await file.write(newer.subarray(4096), header.logOffset);
    for (const slot of [1, 2]) {
      const changed = { ...header, logGuid, sequence: header.sequence + BigInt(slot) };
      await file.write(encodeHeader(changed), slot * 64 * 1024);
    }
    await file.close();
    data.copy(image, block * MiB);
    const before = await readFile(path);
    {
      await using disk = await openVirtualDisk(path);
      assert.ok((await contentOf(disk)).equals(image), 'in memory');
    }
    assert.ok((await readFile(path)).equals(before), 'nothing was written');
    await writeFile(raw, image);
    await copyFile(path, forQemu);
    await assert.rejects(
      tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', path, raw),
      'qemu refuses a dirty file',
    );
    await tool('qemu-io', '-f', 'vhdx', '-c', 'read 0 512', forQemu);
    await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', forQemu, raw);
    assert.equal(await settleVhdx(path), true);
    assert.equal(await settleVhdx(path), false);
    assert.equal((await stat(path)).size, end + 2 * MiB);
    await tool('qemu-img', 'check', '-f', 'vhdx', path);
    await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', path, raw);
  },
);

test(
  'a planned file is a sound VHDX once its pieces and blocks are written, and none before its header is',
  { skip: noQemu || noInfo },
  async (t) => {
    const directory = await scratch(t);
    const path = join(directory, 'planned.vhdx');
    const raw = join(directory, 'disk.raw');
    const image = sample(21 * MiB + 512);
    const id = diskId(newGuid(), 'id');
    const plan = planVhdx({
      sizeBytes: image.length,
      logicalSectorBytes: 512,
      physicalSectorBytes: 4096,
      diskId: id,
      hasData: (offset, length) => !image.subarray(offset, offset + length).equals(Buffer.alloc(length)),
    });
    await writeFile(path, '');
    await truncate(path, plan.fileBytes);
    const file = await openRandomFile(path, 'write');
    for (const { offset, data } of plan.regions) await file.write(data, offset);
    for (let offset = 0; offset < image.length; offset += 256 * 1024) {
      const place = plan.fileOffset(offset);
      if (place !== undefined) await file.write(image.subarray(offset, offset + 256 * 1024), place);
    }
    await assert.rejects(openVirtualDisk(path));
    for (const { offset, data } of plan.header) await file.write(data, offset);
    await file.close();
    assert.equal((await stat(path)).size, plan.fileBytes);
    assert.equal((await readVhdxInfo(path)).diskId, id);
    await writeFile(raw, image);
    await tool('qemu-img', 'check', '-f', 'vhdx', path);
    await tool('qemu-img', 'compare', '-f', 'vhdx', '-F', 'raw', path, raw);
    await tool('vhdiinfo', path);
    const { dataWriteGuid } = await readVhdxInfo(path);
    await using writer = await openVhdxWriter(path);
    await writer.write(noise(10, 1), 5 * MiB);
    await writer.close();
    assert.notEqual((await readVhdxInfo(path)).dataWriteGuid, dataWriteGuid);
  },
);

test('the plan of a disk of 64 TiB has a small table, and an empty disk a small file', () => {
  const plan = planVhdx({
    sizeBytes: 64 * 1024 ** 4,
    logicalSectorBytes: 4096,
    physicalSectorBytes: 4096,
    diskId: diskId(newGuid(), 'id'),
    hasData: (offset) => offset === 0,
  });
  assert.ok(plan.regions.reduce((sum, { data }) => sum + data.length, 0) < 17 * MiB);
  assert.ok(plan.fileBytes <= 20 * MiB + plan.blockBytes);
  assert.equal(plan.fileOffset(plan.blockBytes), undefined);
});
