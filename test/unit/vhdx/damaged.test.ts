import assert from 'node:assert/strict';
import { copyFile, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { errorCodes } from '../../../server/protocol/errors.ts';
import { encodeBatEntry } from '../../../server/vhdx/bat.ts';
import { VirtualDisk } from '../../../server/vhdx/chain.ts';
import { structureChecksum } from '../../../server/vhdx/crc32c.ts';
import { newGuid } from '../../../server/vhdx/guid.ts';
import { encodeHeader, readCurrentHeader } from '../../../server/vhdx/header.ts';
import {
  createDifferencingVhdx,
  createVhdx,
  openVhdxWriter,
  openVirtualDisk,
  readVhdxInfo,
} from '../../../server/vhdx/index.ts';
import { encodeEntry } from '../../../server/vhdx/log-entry.ts';
import { VhdxFile } from '../../../server/vhdx/vhdx-file.ts';
import { code, contentOf, emptyVhdx, KiB, MiB, noise, scratch, writerOf } from './support.ts';
import type { MemoryFile } from './support.ts';

type Codes = readonly (keyof typeof errorCodes)[];

const batOffset = 3 * MiB;
const metadataOffset = 2 * MiB;
const regionTables = [192 * KiB, 256 * KiB];

async function written(): Promise<MemoryFile> {
  const file = await emptyVhdx();
  const writer = await writerOf(file);
  await writer.write(noise(3 * MiB, 1), 0);
  await writer.close();
  return file;
}

/** Changes both region tables and gives them a valid checksum again. */
function changeRegions(file: MemoryFile, change: (table: Buffer) => void): void {
  for (const offset of regionTables) {
    const table = file.bytes.subarray(offset, offset + 64 * KiB);
    change(table);
    table.writeUInt32LE(structureChecksum(table, 4), 4);
  }
}

async function changeHeader(file: MemoryFile, change: (header: Buffer) => void): Promise<void> {
  const current = encodeHeader(await readCurrentHeader(file));
  change(current);
  for (const slot of [0, 1]) {
    current.writeBigUInt64LE(BigInt(10 + slot), 8);
    current.writeUInt32LE(structureChecksum(current, 4), 4);
    await file.write(current, (1 + slot) * 64 * KiB);
  }
}

test('files that are no virtual disks are refused as such', async (t) => {
  const directory = await scratch(t);
  for (const [name, content] of Object.entries({ empty: '', short: 'abc', text: 'x'.repeat(100_000) })) {
    const path = join(directory, name);
    await writeFile(path, content);
    await assert.rejects(openVirtualDisk(path), code('diskFormatUnknown'), name);
    await assert.rejects(readVhdxInfo(path), code('diskFormatUnknown'), name);
  }
  await assert.rejects(openVirtualDisk(join(directory, 'none')), code('invalidFile'));
  await assert.rejects(openVirtualDisk(directory), code('invalidFile'));
  await assert.rejects(openVirtualDisk('/dev/zero'), code('invalidFile'));
});

test('a file cut off anywhere is called too short, or its whole is read', async (t) => {
  const path = join(await scratch(t), 'disk.vhdx');
  const { bytes } = await written();
  for (const size of [8, 100, 64 * KiB, MiB - 1, MiB, 2 * MiB + 10, 3 * MiB + 1, 4 * MiB, 6 * MiB, bytes.length - 1]) {
    await writeFile(path, bytes);
    await truncate(path, size);
    await assert.rejects(openVirtualDisk(path), code('diskTruncated'), `${size} bytes`);
  }
});

test('a last block that ends with the disk is enough', async () => {
  const file = await emptyVhdx({ sizeBytes: 2 * MiB + 4096 });
  const writer = await writerOf(file);
  const data = noise(2 * MiB + 4096, 4);
  await writer.write(data, 0);
  await writer.close();
  await file.truncate((await file.size()) - MiB + 4096);
  assert.ok((await contentOf(new VirtualDisk([await VhdxFile.open(file)]))).equals(data));
  const again = await writerOf(file);
  await again.write(data.subarray(0, 5000), 2 * MiB - 4000);
  await again.close();
});

test('a damaged region table is replaced by its copy, and two are an error', async () => {
  const file = await written();
  file.bytes[192 * KiB + 40] = 1;
  await VhdxFile.open(file);
  file.bytes[256 * KiB + 40] = 1;
  await assert.rejects(VhdxFile.open(file), code('diskCorrupt'));
});

test('regions that cannot be are refused', async () => {
  const cases: readonly (readonly [string, Codes, (table: Buffer) => void])[] = [
    ['too many', ['diskCorrupt'], (table) => table.writeUInt32LE(0xffff_ffff, 8)],
    ['none', ['diskCorrupt'], (table) => table.writeUInt32LE(0, 8)],
    ['unaligned', ['diskCorrupt'], (table) => table.writeBigUInt64LE(1234n, 32)],
    ['in the headers', ['diskCorrupt'], (table) => table.writeBigUInt64LE(0n, 32)],
    ['far away', ['diskTruncated'], (table) => table.writeBigUInt64LE(2n ** 63n, 32)],
    ['huge', ['diskTruncated'], (table) => table.writeUInt32LE(0xfff0_0000, 40)],
    ['overlapping', ['diskCorrupt'], (table) => table.writeBigUInt64LE(BigInt(metadataOffset), 32)],
    ['unknown and required', ['diskUnsupported', 'diskCorrupt'], (table) => table.writeUInt32LE(7, 16)],
    ['twice', ['diskCorrupt'], (table) => table.copy(table, 48, 16, 48)],
  ];
  for (const [what, codes, change] of cases) {
    const file = await written();
    changeRegions(file, change);
    await assert.rejects(VhdxFile.open(file), code(...codes), what);
  }
});

test('a region that is unknown and not required is left alone', async () => {
  const file = await written();
  const end = await file.size();
  changeRegions(file, (table) => {
    table.writeUInt32LE(3, 8);
    table.fill(0xab, 80, 96);
    table.writeBigUInt64LE(BigInt(end), 96);
    table.writeUInt32LE(MiB, 104);
  });
  await file.truncate(end + MiB);
  file.bytes.fill(0xcd, end);
  const writer = await writerOf(file);
  await writer.write(noise(10, 1), 3 * MiB);
  await writer.close();
  assert.ok(file.bytes.subarray(end, end + MiB).equals(Buffer.alloc(MiB, 0xcd)));
});

test('metadata that cannot be is refused', async () => {
  const item = metadataOffset + 64 * KiB;
  const entry = (index: number): number => metadataOffset + 32 + index * 32;
  const cases: readonly (readonly [string, Codes, (bytes: Buffer) => void])[] = [
    ['no table', ['diskCorrupt'], (b) => b.writeUInt8(0, metadataOffset)],
    ['too many items', ['diskCorrupt'], (b) => b.writeUInt16LE(65_535, metadataOffset + 10)],
    ['an item missing', ['diskCorrupt'], (b) => b.writeUInt16LE(3, metadataOffset + 10)],
    ['an item outside', ['diskCorrupt'], (b) => b.writeUInt32LE(0xffff_ff00, entry(0) + 16)],
    ['a huge item', ['diskCorrupt'], (b) => b.writeUInt32LE(0xffff_ff00, entry(0) + 20)],
    ['an item in the table', ['diskCorrupt'], (b) => b.writeUInt32LE(10, entry(0) + 16)],
    ['an item of a wrong size', ['diskCorrupt'], (b) => b.writeUInt32LE(4, entry(1) + 20)],
    ['an unknown required item', ['diskUnsupported'], (b) => b.writeUInt32LE(1, entry(0))],
    ['block size 0', ['diskCorrupt'], (b) => b.writeUInt32LE(0, item)],
    ['block size 3 MiB', ['diskCorrupt'], (b) => b.writeUInt32LE(3 * MiB, item)],
    ['block size 512 MiB', ['diskCorrupt'], (b) => b.writeUInt32LE(512 * MiB, item)],
    ['a parent without locator', ['diskCorrupt'], (b) => b.writeUInt32LE(2, item + 4)],
    ['disk size 0', ['diskCorrupt'], (b) => b.writeBigUInt64LE(0n, item + 8)],
    ['disk size unaligned', ['diskCorrupt'], (b) => b.writeBigUInt64LE(1000n, item + 8)],
    ['disk size 2^63', ['diskCorrupt'], (b) => b.writeBigUInt64LE(2n ** 63n, item + 8)],
    ['a disk larger than the table', ['diskCorrupt'], (b) => b.writeBigUInt64LE(2n ** 46n, item + 8)],
    ['sector size', ['diskCorrupt'], (b) => b.writeUInt32LE(1024, item + 32)],
  ];
  for (const [what, codes, change] of cases) {
    const file = await written();
    change(file.bytes);
    await assert.rejects(VhdxFile.open(file), code(...codes), what);
  }
});

test('blocks that overlap anything, lie outside, or have no possible state are refused', async () => {
  const end = (await written()).bytes.length;
  const cases: readonly (readonly [string, Codes, bigint])[] = [
    ['another block', ['diskCorrupt'], BigInt(4 * MiB) + 6n],
    ['the log', ['diskCorrupt'], BigInt(MiB) + 6n],
    ['the table', ['diskCorrupt'], BigInt(batOffset) + 6n],
    ['the headers', ['diskCorrupt'], 6n],
    ['past the end', ['diskTruncated'], BigInt(end) + 6n],
    ['far away', ['diskTruncated'], 2n ** 64n - BigInt(MiB) + 6n],
    ['state 4', ['diskCorrupt'], BigInt(end) + 4n],
    ['partial without parent', ['diskCorrupt'], BigInt(end) + 7n],
    ['reserved bits', ['diskCorrupt'], 8n],
  ];
  for (const [what, codes, value] of cases) {
    const file = await written();
    file.bytes.writeBigUInt64LE(value, batOffset + 3 * 8);
    await assert.rejects(VhdxFile.open(file), code(...codes), what);
  }
});

test('zero, unmapped and undefined blocks read as zeros and hide the parent, absent ones show it', async () => {
  const base = await emptyVhdx({ sizeBytes: 6 * MiB });
  const baseWriter = await writerOf(base);
  const content = noise(6 * MiB, 1);
  await baseWriter.write(content, 0);
  await baseWriter.close();
  const parent = await VhdxFile.open(base);
  const child = await emptyVhdx({ sizeBytes: 6 * MiB, parent: { linkage: parent.identity.guid, relativePath: 'x' } });
  for (const [block, state] of [1, 2, 3, 5].entries())
    child.bytes.writeBigUInt64LE(BigInt(state), batOffset + block * 8);
  content.fill(0, 0, 4 * MiB);
  const disk = new VirtualDisk([await VhdxFile.open(child), parent]);
  assert.ok((await contentOf(disk)).equals(content));
  const writer = await writerOf(child, [parent]);
  for (const at of [100, 2 * MiB + 700, 5 * MiB + 3]) {
    noise(1000, at).copy(content, at);
    await writer.write(noise(1000, at), at);
  }
  await writer.close();
  assert.ok((await contentOf(new VirtualDisk([await VhdxFile.open(child), parent]))).equals(content));
});

test('bits that a sector bitmap holds of a block that is not there mean nothing when the block is written', async () => {
  const base = await emptyVhdx();
  const baseWriter = await writerOf(base);
  const content = noise(4 * MiB, 1);
  await baseWriter.write(content, 0);
  await baseWriter.close();
  const parent = await VhdxFile.open(base);
  const child = await emptyVhdx({ parent: { linkage: parent.identity.guid, relativePath: 'x' } });
  for (const at of [0, 2 * MiB]) {
    const writer = await writerOf(child, [parent]);
    await writer.write(noise(512, at), at);
    await writer.close();
    noise(512, at).copy(content, at);
    const bitmap = await (await VhdxFile.open(child)).table.chunkBitmap(0);
    assert.ok(bitmap !== undefined);
    // Of blocks 1 and up, 256 bytes each; after the second round only those that are still absent.
    child.bytes.fill(0xff, bitmap + (at / MiB + 1) * 256, bitmap + 1024);
  }
  assert.ok((await contentOf(new VirtualDisk([await VhdxFile.open(child), parent]))).equals(content));
});

test('a partial block without sector bitmap is refused', async () => {
  const child = await emptyVhdx({ parent: { linkage: newGuid(), relativePath: 'x' } });
  const end = await child.size();
  await child.truncate(end + MiB);
  encodeBatEntry(child.bytes, batOffset, { state: 7, offset: end });
  await assert.rejects(VhdxFile.open(child), code('diskCorrupt'));
});

test('an unknown version, and a log that cannot be replayed, are refused', async () => {
  const cases: readonly (readonly [string, Codes, (header: Buffer) => void])[] = [
    ['version 2', ['diskUnsupported'], (header) => header.writeUInt16LE(2, 66)],
    ['log outside', ['diskTruncated'], (header) => header.writeBigUInt64LE(2n ** 40n, 72)],
    ['log unaligned', ['diskCorrupt'], (header) => header.writeBigUInt64LE(5000n, 72)],
    ['log over the metadata', ['diskCorrupt'], (header) => header.writeBigUInt64LE(BigInt(metadataOffset), 72)],
    ['dirty and empty', ['diskCorrupt'], (header) => header.fill(7, 48, 64)],
    [
      'log of another version',
      ['diskUnsupported'],
      (header) => {
        header.fill(7, 48, 64);
        header.writeUInt16LE(1, 64);
      },
    ],
  ];
  for (const [what, codes, change] of cases) {
    const file = await written();
    await changeHeader(file, change);
    await assert.rejects(VhdxFile.open(file), code(...codes), what);
  }
});

test('a log that would change headers or itself, or whose file was cut off, is refused', async () => {
  const logGuid = newGuid();
  const sector = Buffer.alloc(4096, 1);
  for (const [what, codes, offset, flushedFileBytes, lastFileBytes] of [
    ['headers', ['diskCorrupt'], 64 * KiB, 0, 0],
    ['itself', ['diskCorrupt'], MiB + 8192, 0, 0],
    ['cut off', ['diskTruncated'], batOffset, 500 * MiB, 500 * MiB],
    ['huge', ['diskCorrupt'], batOffset, 0, 2 ** 60],
    ['far away', ['diskCorrupt'], 2 ** 52, 0, 0],
  ] as const) {
    const file = await written();
    const entry = { tail: 0, sequence: 1n, logGuid, flushedFileBytes, lastFileBytes };
    await file.write(encodeEntry(entry, [{ offset, data: sector }]), MiB);
    const header = await readCurrentHeader(file);
    await file.write(encodeHeader({ ...header, logGuid, sequence: 100n }), 64 * KiB);
    await assert.rejects(VhdxFile.open(file), code(...codes), `${what}: reading`);
    const before = Buffer.from(file.bytes);
    await assert.rejects(VhdxFile.open(file, true), code(...codes), `${what}: writing`);
    assert.ok(before.equals(file.bytes), `${what}: nothing was written`);
  }
});

test('a log full of entries that claim to be the whole log is refused soon', async () => {
  const file = await written();
  const logGuid = newGuid();
  const entry = { tail: 0, sequence: 1n, logGuid, flushedFileBytes: 0, lastFileBytes: 0 };
  const head = encodeEntry(entry, []);
  head.writeUInt32LE(MiB, 8);
  for (let at = 0; at < MiB; at += 4096) await file.write(head, MiB + at);
  const header = await readCurrentHeader(file);
  await file.write(encodeHeader({ ...header, logGuid, sequence: 100n }), 64 * KiB);
  await assert.rejects(VhdxFile.open(file), code('diskCorrupt'));
});

test('a parent is found beside its child wherever both move, and a missing or changed one is an error', async (t) => {
  const directory = await scratch(t);
  const first = join(directory, 'first');
  await mkdir(join(first, 'sub'), { recursive: true });
  const base = join(first, 'base.vhdx');
  const child = join(first, 'sub', 'child.avhdx');
  await createVhdx(base, { sizeBytes: 4 * MiB });
  await createDifferencingVhdx(child, base);
  const moved = join(directory, 'second');
  await rename(first, moved);
  await using disk = await openVirtualDisk(join(moved, 'sub', 'child.avhdx'));
  assert.equal(disk.below?.file.path, join(moved, 'base.vhdx'));
  await copyFile(join(moved, 'base.vhdx'), join(directory, 'copy'));
  {
    await using writer = await openVhdxWriter(join(moved, 'base.vhdx'));
    await writer.write(noise(10, 1), 0);
  }
  await assert.rejects(openVirtualDisk(join(moved, 'sub', 'child.avhdx')), code('diskParentMismatch'));
  await rm(join(moved, 'base.vhdx'));
  await assert.rejects(openVirtualDisk(join(moved, 'sub', 'child.avhdx')), code('diskParentMissing'));
  await createVhdx(join(moved, 'base.vhdx'), { sizeBytes: 8 * MiB });
  await assert.rejects(openVirtualDisk(join(moved, 'sub', 'child.avhdx')), code('diskParentMismatch'));
});

test('a chain that comes back to itself is refused, also through links', async (t) => {
  const directory = await scratch(t);
  const path = (name: string): string => join(directory, name);
  await createVhdx(path('base.vhdx'), { sizeBytes: 4 * MiB });
  await createDifferencingVhdx(path('a'), path('base.vhdx'));
  await createDifferencingVhdx(path('b'), path('a'));
  await rm(path('base.vhdx'));
  await symlink(path('b'), path('base.vhdx'));
  await assert.rejects(openVirtualDisk(path('b')), code('diskParentCycle', 'diskParentMismatch'));
  // The linkage is right all around only when the file is its own parent.
  await rm(path('base.vhdx'));
  await copyFile(path('a'), path('base.vhdx'));
  const file = await written();
  await createVhdx(path('self'), { sizeBytes: file.bytes.length });
  await createDifferencingVhdx(path('loop'), path('self'));
  await rm(path('self'));
  await symlink(path('loop'), path('self'));
  await assert.rejects(openVirtualDisk(path('loop')), code('diskParentCycle'));
  await assert.rejects(openVhdxWriter(path('loop')), code('diskParentCycle'));
});

test('sizes that cannot be are refused when a disk is made, and an existing file is never replaced', async (t) => {
  const path = join(await scratch(t), 'disk.vhdx');
  for (const disk of [
    { sizeBytes: 0 },
    { sizeBytes: 1000 },
    { sizeBytes: 65 * 1024 ** 4 },
    { sizeBytes: 5 * 512, logicalSectorBytes: 4096 },
    { sizeBytes: MiB, logicalSectorBytes: 1024 },
    { sizeBytes: MiB, blockBytes: 3 * MiB },
    { sizeBytes: MiB, blockBytes: 512 * MiB },
  ]) {
    await assert.rejects(createVhdx(path, disk), code('invalidInput'));
  }
  await createVhdx(path, { sizeBytes: MiB });
  await assert.rejects(createVhdx(path, { sizeBytes: MiB }), { code: 'EEXIST' });
  assert.equal((await readVhdxInfo(path)).sizeBytes, MiB);
});
