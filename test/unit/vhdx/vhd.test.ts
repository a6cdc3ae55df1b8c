import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { openVirtualDisk } from '../../../server/vhdx/index.ts';
import { code, contentOf, extentsOf, MiB, noise, scratch } from './support.ts';

const sectorBytes = 512;
const blockBytes = 2 * MiB;

interface VhdBlock {
  readonly block: number;
  readonly data: Buffer;
  /** Sectors of the block that the file has; all unless given. */
  readonly sectors?: readonly number[];
}

/** A VHD as the specification describes it; `parent` makes it a differencing one. */
function vhd(
  sizeBytes: number,
  id: Buffer,
  blocks: readonly VhdBlock[],
  parent?: { readonly id: Buffer; readonly name: string; readonly relative: string },
): Buffer {
  const footer = Buffer.alloc(512);
  footer.write('conectix', 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x10000, 12);
  footer.writeBigUInt64BE(512n, 16);
  footer.writeBigUInt64BE(BigInt(sizeBytes), 40);
  footer.writeBigUInt64BE(BigInt(sizeBytes), 48);
  footer.writeUInt32BE(parent === undefined ? 3 : 4, 60);
  id.copy(footer, 68);
  sum(footer, 64);
  const entries = Math.ceil(sizeBytes / blockBytes);
  const header = Buffer.alloc(1024);
  header.write('cxsparse', 'latin1');
  header.fill(0xff, 8, 16);
  header.writeBigUInt64BE(1536n, 16);
  header.writeUInt32BE(0x10000, 24);
  header.writeUInt32BE(entries, 28);
  header.writeUInt32BE(blockBytes, 32);
  const table = Buffer.alloc(512, 0xff);
  const locator = Buffer.alloc(512);
  if (parent !== undefined) {
    parent.id.copy(header, 40);
    Buffer.from(parent.name, 'utf16le').swap16().copy(header, 64);
    header.write('W2ru', 576, 'latin1');
    header.writeUInt32BE(512, 580);
    header.writeUInt32BE(locator.write(parent.relative, 'utf16le'), 584);
    header.writeBigUInt64BE(2048n, 592);
  }
  sum(header, 36);
  const parts: Buffer[] = [footer, header, table, locator];
  let end = 2560;
  for (const { block, data, sectors } of blocks) {
    table.writeUInt32BE(end / sectorBytes, block * 4);
    const bitmap = Buffer.alloc(512, sectors === undefined ? 0xff : 0);
    for (const sector of sectors ?? []) {
      bitmap.writeUInt8(bitmap.readUInt8(Math.floor(sector / 8)) | (0x80 >> (sector % 8)), Math.floor(sector / 8));
    }
    parts.push(bitmap, data);
    end += bitmap.length + data.length;
  }
  return Buffer.concat([...parts, footer]);
}

function sum(structure: Buffer, at: number): void {
  let total = 0;
  for (const byte of structure) total += byte;
  structure.writeUInt32BE(~total >>> 0, at);
}

const [baseId, otherId, childId] = [1, 2, 3].map((fill) => Buffer.alloc(16, fill));
assert.ok(baseId !== undefined && otherId !== undefined && childId !== undefined);
const size = 7 * MiB;

test('a differencing VHD reads its own sectors and those of its parent, found by name or locator', async (t) => {
  const directory = await scratch(t);
  const base = noise(blockBytes, 1);
  await writeFile(
    join(directory, 'base.vhd'),
    vhd(size, baseId, [
      { block: 0, data: base },
      { block: 3, data: base },
    ]),
  );
  const own = noise(blockBytes, 2);
  const sectors = [0, 1, 2, 9, 4095];
  const child = vhd(
    size,
    childId,
    [
      { block: 0, data: own, sectors },
      { block: 1, data: own, sectors: [7] },
    ],
    { id: baseId, name: 'base.vhd', relative: '.\\elsewhere.vhd' },
  );
  await writeFile(join(directory, 'child.vhd'), child);
  const image = Buffer.alloc(size);
  base.copy(image, 0);
  base.copy(image, 6 * MiB, 0, MiB);
  for (const sector of sectors) own.copy(image, sector * 512, sector * 512, (sector + 1) * 512);
  own.copy(image, blockBytes + 7 * 512, 7 * 512, 8 * 512);
  const check = async (): Promise<void> => {
    await using disk = await openVirtualDisk(join(directory, 'child.vhd'));
    assert.ok((await contentOf(disk)).equals(image));
    const part = Buffer.alloc(1000);
    await disk.read(part, 1400);
    assert.ok(part.equals(image.subarray(1400, 2400)));
    assert.deepEqual(await extentsOf(disk), [
      { offset: 0, length: blockBytes },
      { offset: blockBytes + 7 * 512, length: 512 },
      { offset: 6 * MiB, length: MiB },
    ]);
  };
  await check();
  await rename(join(directory, 'base.vhd'), join(directory, 'elsewhere.vhd'));
  await check();
  await writeFile(join(directory, 'elsewhere.vhd'), vhd(size, otherId, []));
  await assert.rejects(openVirtualDisk(join(directory, 'child.vhd')), code('diskParentMismatch'));
  await rename(join(directory, 'elsewhere.vhd'), join(directory, 'gone'));
  await assert.rejects(openVirtualDisk(join(directory, 'child.vhd')), code('diskParentMissing'));
});

test('a VHD whose last sector is lost is read by the copy of its footer, and a damaged one is refused', async (t) => {
  const path = join(await scratch(t), 'disk.vhd');
  const data = noise(blockBytes, 5);
  const sound = vhd(size, baseId, [{ block: 2, data }]);
  await writeFile(path, sound.subarray(0, -512));
  {
    await using disk = await openVirtualDisk(path);
    assert.ok((await contentOf(disk)).subarray(4 * MiB, 6 * MiB).equals(data));
  }
  const harms: readonly (readonly [string, 'diskCorrupt' | 'diskTruncated', (b: Buffer) => void])[] = [
    ['the footer', 'diskCorrupt', (b) => b.writeUInt8(1, b.length - 100)],
    ['the header', 'diskCorrupt', (b) => b.writeUInt8(1, 512 + 900)],
    ['a block past the end', 'diskTruncated', (b) => b.writeUInt32BE(0xfff_ffff, 1536)],
    ['two blocks in one place', 'diskCorrupt', (b) => b.writeUInt32BE(b.readUInt32BE(1544) + 1, 1540)],
  ];
  for (const [what, name, harm] of harms) {
    const bytes = Buffer.concat([sound.subarray(0, -512), Buffer.alloc(1024), sound.subarray(-512)]);
    harm(bytes);
    await writeFile(path, bytes);
    await assert.rejects(openVirtualDisk(path), code(name), what);
  }
});
