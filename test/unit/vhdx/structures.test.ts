import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeBatEntry, encodeBatEntry } from '../../../server/vhdx/bat.ts';
import { crc32c, structureChecksum } from '../../../server/vhdx/crc32c.ts';
import { bitmapIndex, geometryOf, payloadIndex } from '../../../server/vhdx/geometry.ts';
import { parseGuid, readGuid, writeGuid } from '../../../server/vhdx/guid.ts';
import { readCurrentHeader, updateHeader } from '../../../server/vhdx/header.ts';
import { decodeParentLocator, encodeParentLocator } from '../../../server/vhdx/parent-locator.ts';
import { code, emptyVhdx, KiB, MiB, noise } from './support.ts';

test('CRC-32C gives the known values, whole and in pieces', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe306_9283);
  // RFC 3720 appendix B.4.
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a91_36aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8_ab43);
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, at) => at))), 0x46dd_794e);
  const data = noise(1000, 1);
  for (const cut of [0, 1, 7, 8, 500, 999]) {
    assert.equal(crc32c(data.subarray(cut), crc32c(data.subarray(0, cut))), crc32c(data));
  }
  const zeroed = Buffer.from(data);
  zeroed.fill(0, 4, 8);
  assert.equal(structureChecksum(data, 4), crc32c(zeroed));
});

test('GUIDs are stored in mixed-endian order, as in the specification', () => {
  const guid = '2DC27766-F623-4200-9D64-115E9BFD4A08';
  const bytes = Buffer.alloc(17);
  writeGuid(bytes, guid, 1);
  assert.equal(bytes.toString('hex', 1), '6677c22d23f600429d64115e9bfd4a08');
  assert.equal(readGuid(bytes, 1), guid);
  assert.equal(parseGuid(`{${guid.toLowerCase()}}`), guid);
  assert.equal(parseGuid('{nonsense}'), undefined);
});

test('the geometry follows the formulas, for all sector and block sizes', () => {
  const of = (sizeBytes: number, blockBytes: number, logicalSectorBytes = 512, parent?: unknown) =>
    geometryOf({ sizeBytes, blockBytes, logicalSectorBytes, ...(parent !== undefined && { parent }) });
  const GiB = 1024 * MiB;
  const small = of(5 * GiB, 16 * MiB);
  assert.deepEqual([small.chunkRatio, small.dataBlocks, small.batEntries], [256, 320, 321]);
  assert.equal(payloadIndex(small, 288), 289);
  assert.equal(of(GiB, 32 * MiB, 4096).chunkRatio, 1024);
  const dynamic = of(127 * GiB, 32 * MiB);
  assert.deepEqual([dynamic.dataBlocks, dynamic.batEntries], [4064, 4095]);
  const differencing = of(127 * GiB, 2 * MiB, 512, {});
  assert.deepEqual([differencing.dataBlocks, differencing.chunks, differencing.batEntries], [65_024, 32, 65_568]);
  assert.equal(bitmapIndex(differencing, 0), 2048);
  assert.equal(bitmapIndex(differencing, 31), 65_567);
});

test('table entries keep state and offset up to 64 TiB and more, and refuse reserved bits', () => {
  const entry = Buffer.alloc(8);
  for (const offset of [MiB, 4095 * MiB, 4096 * MiB, 70 * 1024 ** 4]) {
    encodeBatEntry(entry, 0, { state: 6, offset });
    assert.deepEqual(decodeBatEntry('x', entry, 0), { state: 6, offset });
    assert.equal(entry.readBigUInt64LE(), BigInt(offset) + 6n);
  }
  entry.writeBigUInt64LE(8n);
  assert.throws(() => decodeBatEntry('x', entry, 0), code('diskCorrupt'));
  entry.writeBigUInt64LE(4n);
  assert.throws(() => decodeBatEntry('x', entry, 0), code('diskCorrupt'));
});

test('a parent locator comes back as it was written', () => {
  const linkage = 'AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE';
  const locator = {
    linkage,
    linkage2: linkage.replaceAll('A', '1'),
    relativePath: '..\\дир\\base.vhdx',
    volumePath: undefined,
    absolutePath: '\\\\?\\C:\\base.vhdx',
  };
  assert.deepEqual(decodeParentLocator('x', encodeParentLocator(locator)), locator);
  const bytes = encodeParentLocator({ linkage, relativePath: 'a' });
  for (const damage of [
    (item: Buffer) => item.writeUInt16LE(60_000, 18),
    (item: Buffer) => item.writeUInt32LE(0xffff_ffff, 20),
    (item: Buffer) => item.writeUInt16LE(0, 28),
    (item: Buffer) => item.writeUInt16LE(3, 28),
  ]) {
    const item = Buffer.from(bytes);
    damage(item);
    assert.throws(() => decodeParentLocator('x', item), code('diskCorrupt'));
  }
  const other = Buffer.from(bytes);
  other[0] = 0;
  assert.throws(() => decodeParentLocator('x', other), code('diskUnsupported'));
  assert.throws(() => decodeParentLocator('x', Buffer.alloc(10)), code('diskCorrupt'));
});

test('the header with the higher number counts, the other when that is damaged, and none is an error', async () => {
  const file = await emptyVhdx();
  const first = await readCurrentHeader(file);
  const guid = '11111111-2222-3333-4444-555555555555';
  const second = await updateHeader(file, first, { dataWriteGuid: guid });
  assert.deepEqual(await readCurrentHeader(file), second);
  assert.equal(second.sequence, first.sequence + 2n);
  assert.equal(second.slot, first.slot);
  const current = (1 + second.slot) * 64 * KiB;
  file.bytes[current + 100] = 1;
  const older = await readCurrentHeader(file);
  assert.equal(older.sequence, second.sequence - 1n);
  assert.equal(older.dataWriteGuid, guid, 'both copies were updated');
  file.bytes[(1 + older.slot) * 64 * KiB + 100] = 1;
  await assert.rejects(readCurrentHeader(file), code('diskCorrupt'));
});
