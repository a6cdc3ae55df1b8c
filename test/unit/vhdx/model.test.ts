import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  createDifferencingVhdx,
  createVhdx,
  mergeIntoParent,
  openVhdxWriter,
  openVirtualDisk,
  readVhdxInfo,
} from '../../../server/vhdx/index.ts';
import { VhdxFile } from '../../../server/vhdx/vhdx-file.ts';
import { VirtualDisk } from '../../../server/vhdx/chain.ts';
import {
  code,
  contentOf,
  extentsOf,
  emptyVhdx,
  KiB,
  metadata,
  MemoryFile,
  MiB,
  noise,
  scratch,
  writerOf,
} from './support.ts';
import { writeNewVhdx } from '../../../server/vhdx/create.ts';

const never = new AbortController().signal;

interface Write {
  readonly at: number;
  readonly length: number;
  readonly seed: number;
}

/** Writes near the interesting places: edges of sectors and blocks, the end of the disk. */
const writes = (sizeBytes: number): fc.Arbitrary<readonly Write[]> => {
  const edge = fc.nat(Math.ceil(sizeBytes / (64 * KiB))).map((at) => at * 64 * KiB);
  const place = fc.oneof(
    fc.nat(sizeBytes),
    edge,
    fc.tuple(edge, fc.integer({ min: -600, max: 600 })).map(([a, b]) => a + b),
  );
  const length = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 3 * MiB }), fc.constant(MiB));
  return fc.array(
    fc.record({ at: place, length, seed: fc.nat(1000) }).map(({ at, length: bytes, seed }) => {
      const offset = Math.min(Math.max(at, 0), sizeBytes - 1);
      return { at: offset, length: Math.min(bytes, sizeBytes - offset), seed };
    }),
    { maxLength: 12 },
  );
};

async function checkDisk(disk: VirtualDisk, model: Buffer): Promise<void> {
  assert.ok((await contentOf(disk)).equals(model), 'content');
  const rest = Buffer.from(model);
  let last = -1;
  for await (const { offset, length } of disk.allocated()) {
    assert.ok(length > 0 && offset > last && offset + length <= model.length, 'ascending, apart, on the disk');
    last = offset + length;
    rest.fill(0, offset, last);
  }
  assert.ok(rest.equals(Buffer.alloc(rest.length)), 'what is not listed is zero');
}

const shapes = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 9 * 256 }).map((sectors) => sectors * 4 * KiB),
  sectorBytes: fc.constantFrom(512, 4096),
  type: fc.constantFrom('dynamic', 'fixed'),
  blockBytes: fc.constantFrom(MiB, 2 * MiB),
  childBlockBytes: fc.constantFrom(MiB, 2 * MiB, 4 * MiB),
});

test('a chain of three disks reads what was written to each, for all kinds, sectors and sizes', async () => {
  const property = fc.asyncProperty(
    shapes.chain((shape) =>
      fc.tuple(fc.constant(shape), fc.tuple(writes(shape.sizeBytes), writes(shape.sizeBytes), writes(shape.sizeBytes))),
    ),
    async ([{ sizeBytes, sectorBytes, type, blockBytes, childBlockBytes }, levels]) => {
      const model = Buffer.alloc(sizeBytes);
      const parents: VhdxFile[] = [];
      for (const [level, list] of levels.entries()) {
        const file = new MemoryFile();
        const linkage = parents[0]?.identity.guid;
        await writeNewVhdx(
          file,
          metadata({
            sizeBytes,
            logicalSectorBytes: sectorBytes,
            fixed: level === 0 && type === 'fixed',
            blockBytes: level === 0 ? blockBytes : childBlockBytes,
            parent: linkage === undefined ? undefined : { linkage, relativePath: '.\\x' },
          }),
        );
        const frozen = parents[0]?.file instanceof MemoryFile ? Buffer.from(parents[0].file.bytes) : undefined;
        const writer = await writerOf(file, parents);
        for (const { at, length, seed } of list) {
          const data = noise(length, seed);
          data.copy(model, at);
          await writer.write(data, at);
          if (seed % 5 === 0) await writer.flush();
        }
        await checkDisk(writer.disk, model);
        await writer.close();
        const top = await VhdxFile.open(file);
        await checkDisk(new VirtualDisk([top, ...parents]), model);
        if (frozen !== undefined && parents[0]?.file instanceof MemoryFile) {
          assert.ok(frozen.equals(parents[0].file.bytes), 'the parent is not touched');
        }
        parents.unshift(top);
      }
    },
  );
  await fc.assert(property, { numRuns: 25 });
});

test('reads of any part give that part, and none past the end', async () => {
  const base = await emptyVhdx({ sizeBytes: 5 * MiB + 512 });
  const model = Buffer.alloc(5 * MiB + 512);
  const writer = await writerOf(base);
  for (const at of [0, MiB - 100, 3 * MiB + 7]) {
    const data = noise(200_000, at);
    data.copy(model, at);
    await writer.write(data, at);
  }
  const property = fc.asyncProperty(fc.nat(model.length), fc.nat(3 * MiB), async (offset, length) => {
    const bytes = Math.min(length, model.length - offset);
    const target = Buffer.alloc(bytes, 1);
    await writer.read(target, offset);
    assert.ok(target.equals(model.subarray(offset, offset + bytes)));
  });
  await fc.assert(property, { numRuns: 100 });
  const two = Buffer.alloc(2);
  await assert.rejects(writer.read(two, model.length - 1), code('diskOutOfRange'));
  await assert.rejects(writer.read(two, -1), code('diskOutOfRange'));
  await assert.rejects(writer.write(two, model.length - 1), code('diskOutOfRange'));
});

test('writes that overlap in time all arrive, in one disk and over a parent', async () => {
  const sizeBytes = 24 * MiB;
  const base = await emptyVhdx({ sizeBytes });
  const model = Buffer.alloc(sizeBytes);
  const baseWriter = await writerOf(base);
  const writeAll = async (writer: typeof baseWriter, seed: number): Promise<void> => {
    const list = Array.from({ length: 48 }, (_, at) => ({ at: at * 512 * KiB + 100, data: noise(400_000, at + seed) }));
    for (const { at, data } of list) data.copy(model, at);
    await Promise.all([...list.map(async ({ at, data }) => writer.write(data, at)), writer.flush()]);
    await writer.close();
  };
  await writeAll(baseWriter, 1);
  const parent = await VhdxFile.open(base);
  await checkDisk(new VirtualDisk([parent]), model);
  const child = await emptyVhdx({ sizeBytes, parent: { linkage: parent.identity.guid, relativePath: 'x' } });
  await writeAll(await writerOf(child, [parent]), 100);
  await checkDisk(new VirtualDisk([await VhdxFile.open(child), parent]), model);
});

test('more changes than one log entry holds arrive, and the log goes round', async (t) => {
  const path = join(await scratch(t), 'disk.vhdx');
  // 1 MiB blocks of a disk of 400 GiB: each write changes another sector of the table.
  await createVhdx(path, { sizeBytes: 400 * 1024 * MiB, blockBytes: MiB });
  const count = 700;
  const place = (index: number): number => index * 520 * MiB + index;
  await using writer = await openVhdxWriter(path);
  for (let index = 0; index < count; index++) {
    await writer.write(noise(10, index), place(index));
    if (index === 300) await writer.flush();
  }
  await writer.close();
  await using disk = await openVirtualDisk(path);
  const data = Buffer.alloc(10);
  for (let index = 0; index < count; index++) {
    await disk.read(data, place(index));
    assert.deepEqual(data, noise(10, index));
  }
  assert.equal((await extentsOf(disk)).length, count);
});

test('a merge leaves in the base what the chain held; the base is frozen before and a plain disk after', async (t) => {
  const directory = await scratch(t);
  const base = join(directory, 'base.vhdx');
  const leaf = join(directory, 'leaf.avhdx');
  const property = fc.asyncProperty(writes(7 * MiB + 4096), writes(7 * MiB + 4096), async (below, above) => {
    const model = Buffer.alloc(7 * MiB + 4096);
    const apply = async (path: string, list: readonly Write[]): Promise<void> => {
      await using writer = await openVhdxWriter(path);
      for (const { at, length, seed } of list) {
        noise(length, seed).copy(model, at);
        await writer.write(noise(length, seed), at);
      }
    };
    await createVhdx(base, { sizeBytes: model.length });
    await apply(base, below);
    const frozen = await readVhdxInfo(base);
    await createDifferencingVhdx(leaf, base);
    await apply(leaf, above);
    assert.deepEqual(await readVhdxInfo(base), frozen);
    assert.equal((await readVhdxInfo(leaf)).diskId, frozen.diskId);
    await mergeIntoParent(leaf, base, never);
    for (const path of [leaf, base]) {
      await using disk = await openVirtualDisk(path);
      await checkDisk(disk, model);
    }
    assert.equal((await readVhdxInfo(base)).type, 'dynamic');
    await rm(leaf);
    await rm(base);
  });
  await fc.assert(property, { numRuns: 15 });
});

test('killed anywhere in a merge, the chain opens and reads the same, and the merge can be done again', async (t) => {
  const directory = await scratch(t);
  const base = join(directory, 'base.vhdx');
  const leaf = join(directory, 'leaf.avhdx');
  const model = Buffer.alloc(40 * MiB);
  const write = async (path: string, seed: number): Promise<void> => {
    await using writer = await openVhdxWriter(path);
    for (let at = seed * 1000; at < model.length - 100_000; at += 3 * MiB) {
      noise(100_000, at + seed).copy(model, at);
      await writer.write(noise(100_000, at + seed), at);
    }
  };
  await createVhdx(base, { sizeBytes: model.length });
  await write(base, 1);
  await createDifferencingVhdx(leaf, base);
  await write(leaf, 2);
  // What a killed process wrote stays in the page cache, so copies of the files are what the next process finds.
  const copies: string[] = [];
  let calls = 0;
  await mergeIntoParent(leaf, base, never, () => {
    if (calls++ % 3 !== 0) return;
    const copy = join(directory, `copy-${copies.length}`);
    copies.push(copy);
    mkdirSync(copy);
    for (const name of ['leaf.avhdx', 'base.vhdx']) copyFileSync(join(directory, name), join(copy, name));
  });
  assert.ok(copies.length > 3);
  for (const copy of copies) {
    const copiedLeaf = join(copy, 'leaf.avhdx');
    const copiedBase = join(copy, 'base.vhdx');
    {
      await using disk = await openVirtualDisk(copiedLeaf);
      await checkDisk(disk, model);
    }
    await mergeIntoParent(copiedLeaf, copiedBase, never);
    await using disk = await openVirtualDisk(copiedBase);
    await checkDisk(disk, model);
  }
});

test('an aborted merge stops, and goes on where the leaf was written meanwhile', async (t) => {
  const directory = await scratch(t);
  const base = join(directory, 'base.vhdx');
  const leaf = join(directory, 'leaf.avhdx');
  const model = Buffer.alloc(16 * MiB);
  await createVhdx(base, { sizeBytes: model.length });
  await createDifferencingVhdx(leaf, base);
  const write = async (at: number): Promise<void> => {
    await using writer = await openVhdxWriter(leaf);
    noise(3 * MiB, at).copy(model, at);
    await writer.write(noise(3 * MiB, at), at);
  };
  await write(0);
  await write(6 * MiB);
  const abort = new AbortController();
  await assert.rejects(
    mergeIntoParent(leaf, base, abort.signal, () => abort.abort()),
    (error: Error) => error.message.includes('cancelled'),
  );
  await write(9 * MiB);
  {
    await using disk = await openVirtualDisk(leaf);
    await checkDisk(disk, model);
  }
  await mergeIntoParent(leaf, base, never);
  await using disk = await openVirtualDisk(base);
  await checkDisk(disk, model);
});

test('a disk cannot be merged into a file that is not its parent', async (t) => {
  const directory = await scratch(t);
  const [base, other, leaf] = ['base.vhdx', 'other.vhdx', 'leaf.avhdx'].map((name) => join(directory, name));
  assert.ok(base !== undefined && other !== undefined && leaf !== undefined);
  await createVhdx(base, { sizeBytes: 4 * MiB });
  await createVhdx(other, { sizeBytes: 4 * MiB });
  await createDifferencingVhdx(leaf, base);
  await assert.rejects(mergeIntoParent(leaf, other, never), code('diskParentMismatch'));
  await writeFile(join(directory, 'none'), 'x'.repeat(3000));
  await assert.rejects(mergeIntoParent(join(directory, 'none'), base, never), code('diskFormatUnknown'));
  await assert.rejects(mergeIntoParent(base, other, never), code('diskCorrupt'));
});
