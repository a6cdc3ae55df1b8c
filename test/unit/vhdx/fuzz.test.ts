import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import { VirtualDisk } from '../../../server/vhdx/chain.ts';
import { structureChecksum } from '../../../server/vhdx/crc32c.ts';
import { truncated } from '../../../server/vhdx/errors.ts';
import { openVirtualDisk } from '../../../server/vhdx/index.ts';
import type { RandomFile } from '../../../server/vhdx/random-file.ts';
import { VhdxFile } from '../../../server/vhdx/vhdx-file.ts';
import { emptyVhdx, KiB, MemoryFile, MiB, missing, noise, scratch, tool, writerOf } from './support.ts';

/** Places worth damaging: from, to. */
const structures = {
  headers: [64 * KiB, 132 * KiB],
  regions: [192 * KiB, 192 * KiB + 128],
  log: [MiB, MiB + 24 * KiB],
  table: [2 * MiB, 2 * MiB + 256],
  items: [2 * MiB + 64 * KiB, 2 * MiB + 64 * KiB + 400],
  bat: [3 * MiB, 3 * MiB + 128],
} as const;

const place = fc
  .constantFrom(...Object.values(structures))
  .chain(([from, to]) => fc.integer({ min: from, max: to - 8 }));
const field = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 6n, 7n, 0xffff_ffffn, 2n ** 32n, 2n ** 46n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
  fc.nat(64).map((megabytes) => BigInt(megabytes * MiB + 6)),
);
const damage = fc.record({ at: place, value: field, bytes: fc.constantFrom(1, 2, 4, 8), heal: fc.boolean() });

/** Gives headers, region tables and the first log entry valid checksums, so that damage reaches what lies behind. */
function heal(bytes: Buffer): void {
  for (const [offset, length] of [
    [64 * KiB, 4 * KiB],
    [128 * KiB, 4 * KiB],
    [192 * KiB, 64 * KiB],
    [256 * KiB, 64 * KiB],
  ] as const) {
    const structure = bytes.subarray(offset, offset + length);
    structure.writeUInt32LE(structureChecksum(structure, 4), 4);
  }
  const entry = bytes.subarray(MiB, 2 * MiB);
  const length = entry.readUInt32LE(8);
  if (length < 64 || length > entry.length) return;
  entry.writeUInt32LE(structureChecksum(entry.subarray(0, length), 4), 4);
}

/** Refuses reads that no sound reader makes: memory must stay bounded. */
class WatchedFile extends MemoryFile implements RandomFile {
  override async read(target: Uint8Array, position: number): Promise<void> {
    assert.ok(target.length <= 64 * MiB);
    await super.read(target, position);
  }

  /** A file system would take it as a hole, or refuse; memory cannot. */
  override async truncate(size: number): Promise<void> {
    if (size > 64 * MiB) throw truncated(this.path, 'there is no room');
    await super.truncate(size);
  }

  override async write(source: Uint8Array, position: number): Promise<void> {
    if (position + source.length > 64 * MiB) throw truncated(this.path, 'there is no room');
    await super.write(source, position);
  }
}

/** Opens, lists and reads; anything but success and a Tidemark error fails. */
async function exercise(open: () => Promise<VirtualDisk>): Promise<void> {
  try {
    await using disk = await open();
    const part = Buffer.alloc(4096);
    let extents = 0;
    for await (const { offset, length } of disk.allocated()) {
      await disk.read(part.subarray(0, Math.min(part.length, length)), offset);
      if (++extents > 1000) break;
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    assert.ok(error.hint !== undefined && error.message !== '');
  }
}

async function dirty(differencing: boolean): Promise<Buffer> {
  const base = await emptyVhdx();
  const parent = await VhdxFile.open(base);
  const file = await emptyVhdx(differencing ? { parent: { linkage: parent.identity.guid, relativePath: 'x' } } : {});
  const writer = await writerOf(file, differencing ? [parent] : []);
  await writer.write(noise(MiB + 5000, 1), 100);
  await writer.flush();
  return Buffer.from(file.bytes);
}

for (const differencing of [false, true]) {
  test(`no damage to a ${differencing ? 'differencing' : 'dynamic'} disk with a dirty log makes the reader crash, hang or take memory`, async () => {
    const sound = await dirty(differencing);
    const parent = await VhdxFile.open(await emptyVhdx());
    const layers = async (file: RandomFile, replay: boolean): Promise<VirtualDisk> => {
      const top = await VhdxFile.open(file, replay);
      return new VirtualDisk(top.sizeBytes === parent.sizeBytes && differencing ? [top, parent] : [top]);
    };
    const property = fc.asyncProperty(
      fc.array(damage, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (harms, replay) => {
        const bytes = Buffer.from(sound);
        for (const { at, value, bytes: count } of harms) {
          const changed = Buffer.alloc(8);
          changed.writeBigUInt64LE(value);
          changed.copy(bytes, at, 0, count);
          // Both copies of the region table, so that neither rescues the other.
          if (at >= 192 * KiB && at < 256 * KiB) changed.copy(bytes, at + 64 * KiB, 0, count);
        }
        if (harms.some((harm) => harm.heal)) heal(bytes);
        await exercise(() => layers(new WatchedFile(bytes), replay));
      },
    );
    await fc.assert(property, { numRuns: 400 });
  });
}

test('single bits flipped anywhere in the structures never make the reader crash', async () => {
  const sound = await dirty(true);
  const parent = await VhdxFile.open(await emptyVhdx());
  const property = fc.asyncProperty(place, fc.nat(7), fc.boolean(), async (at, bit, healed) => {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    if (healed) heal(bytes);
    await exercise(async () => {
      const top = await VhdxFile.open(new WatchedFile(bytes));
      // A chain whose sizes differ is refused before anything is read.
      return new VirtualDisk(top.sizeBytes === parent.sizeBytes ? [top, parent] : [top]);
    });
  });
  await fc.assert(property, { numRuns: 400 });
});

test('no damage to a VHD makes the reader crash', { skip: missing('qemu-img') }, async (t) => {
  const directory = await scratch(t);
  const path = join(directory, 'disk.vhd');
  const raw = join(directory, 'disk.raw');
  await writeFile(raw, noise(5 * MiB, 1));
  await tool('qemu-img', 'convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=dynamic', raw, path);
  const sound = await readFile(path);
  /** Footer and its copy, dynamic header: one's complement sums. */
  const healVhd = (bytes: Buffer): void => {
    for (const [offset, length, at] of [
      [0, 512, 64],
      [bytes.length - 512, 512, 64],
      [512, 1024, 36],
    ] as const) {
      bytes.writeUInt32BE(0, offset + at);
      let sum = 0;
      for (const byte of bytes.subarray(offset, offset + length)) sum += byte;
      bytes.writeUInt32BE(~sum >>> 0, offset + at);
    }
  };
  const property = fc.asyncProperty(
    fc.oneof(fc.nat(2048), fc.integer({ min: sound.length - 512, max: sound.length - 8 })),
    field,
    fc.constantFrom(1, 4, 8),
    async (at, value, count) => {
      const bytes = Buffer.from(sound);
      const harm = Buffer.alloc(8);
      harm.writeBigUInt64BE(value);
      harm.copy(bytes, at, 8 - count);
      healVhd(bytes);
      await writeFile(path, bytes);
      await exercise(() => openVirtualDisk(path));
    },
  );
  await fc.assert(property, { numRuns: 150 });
});
