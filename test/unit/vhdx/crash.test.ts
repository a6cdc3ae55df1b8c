import assert from 'node:assert/strict';
import { test } from 'node:test';

import { VirtualDisk } from '../../../server/vhdx/chain.ts';
import { VhdxFile } from '../../../server/vhdx/vhdx-file.ts';
import type { VhdxWriter } from '../../../server/vhdx/writer.ts';
import { contentOf, emptyVhdx, MemoryFile, MiB, noise, writerOf } from './support.ts';
import type { FileOperation } from './support.ts';

const sizeBytes = 3 * MiB;

/** Parts of blocks, edges of sectors, a whole block and more; every second write is flushed. */
const manyPlaces = [0, MiB + 100, 700, MiB - 300, MiB + 511, 2 * MiB + 9000];

interface Moment {
  /** Operations of the file that had been carried out. */
  readonly operations: number;
  /** What is durable at the latest from then on. */
  readonly flushed: Buffer;
  /** What was written since. */
  readonly later: readonly { readonly at: number; readonly data: Buffer }[];
}

/** Writes here and there, and remembers after each step what a crash may and may not lose. */
async function workload(
  file: MemoryFile,
  writer: VhdxWriter,
  start: Buffer,
  places: readonly number[],
): Promise<readonly Moment[]> {
  const image = Buffer.from(start);
  let flushed = start;
  let later: { at: number; data: Buffer }[] = [];
  const moments: Moment[] = [];
  const note = (): void => {
    moments.push({ operations: file.operations.length, flushed, later: [...later] });
  };
  note();
  for (const [index, at] of places.entries()) {
    const data = noise(index === 2 ? MiB : 1500, index + 1).subarray(0, image.length - at);
    later.push({ at, data });
    moments.push({ operations: file.operations.length, flushed, later: [...later] });
    await writer.write(data, at);
    data.copy(image, at);
    if (index % 2 === 1) {
      await writer.flush();
      flushed = Buffer.from(image);
      later = [];
    }
    note();
  }
  await writer.close();
  flushed = Buffer.from(image);
  later = [];
  note();
  return moments;
}

/** The moments that may hold when a crash comes after so many operations: the last one before it and what was begun then. */
function momentAt(moments: readonly Moment[], operations: number): Moment {
  const at = moments.findLastIndex((moment) => moment.operations <= operations);
  const found = moments[Math.max(0, at)];
  assert.ok(found !== undefined);
  return found;
}

/** Each byte is the flushed one or one that was written after. */
function checkContent(actual: Buffer, { flushed, later }: Moment, what: string): void {
  if (actual.equals(flushed)) return;
  const rest = Buffer.from(actual);
  for (const { at, data } of later) {
    const part = actual.subarray(at, at + data.length);
    const isWhole = part.equals(data) || part.equals(flushed.subarray(at, at + data.length));
    if (!isWhole) checkBytes(part, at, flushed, later, what);
    flushed.copy(rest, at, at, at + data.length);
  }
  assert.ok(rest.equals(flushed), `${what}: a byte that nobody wrote changed`);
}

function checkBytes(part: Buffer, start: number, flushed: Buffer, later: Moment['later'], what: string): void {
  for (const [index, found] of part.entries()) {
    const at = start + index;
    const allowed = found === flushed[at] || later.some((write) => write.data[at - write.at] === found);
    if (!allowed) assert.fail(`${what}: byte ${at} was never written`);
  }
}

/** A generator of reproducible numbers from 0 to 1. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** The file after a crash: all that was synced, and of the rest what `keep` says; the last write ends after as many bytes as `torn` says. */
async function crashed(
  start: Buffer,
  operations: readonly FileOperation[],
  count: number,
  keep: (index: number) => boolean,
  torn: (bytes: number) => number,
): Promise<MemoryFile> {
  const file = new MemoryFile(Buffer.from(start));
  const done = operations.slice(0, count);
  const synced = done.findLastIndex((operation) => operation.kind === 'sync');
  for (const [index, operation] of done.entries()) {
    if (index > synced && !keep(index)) continue;
    const isLast = index === count - 1 && operation.kind === 'write';
    await file.apply(operation, isLast ? torn(operation.data.length) : undefined);
  }
  return file;
}

async function checkEveryCrash(
  start: Buffer,
  operations: readonly FileOperation[],
  moments: readonly Moment[],
  parents: readonly VhdxFile[],
): Promise<void> {
  const chance = random(7);
  for (let count = 0; count <= operations.length; count++) {
    if (operations[count - 1]?.kind === 'sync') continue;
    const torn = (bytes: number): number => Math.floor(chance() * (bytes + 1));
    const whole = (bytes: number): number => bytes;
    const isOdd = count % 2 === 1;
    for (const [mode, keep, cut] of [
      ['the last write torn', () => true, torn],
      ['some writes lost', () => chance() < 0.5, torn],
      ['all but the last write lost', (index: number) => index === count - 1, whole],
      ['one kind of writes lost', (index: number) => index === count - 1 || (index % 2 === 1) === isOdd, whole],
    ] as const) {
      const what = `crash after ${count} operations, ${mode}`;
      const file = await crashed(start, operations, count, keep, cut);
      const reader = new VirtualDisk([await VhdxFile.open(file), ...parents]);
      const read = await contentOf(reader);
      checkContent(read, momentAt(moments, count), what);
      if (mode !== 'some writes lost') continue;
      const writer = await writerOf(file, parents);
      await writer.write(noise(100, 99), 2 * MiB + 1000);
      await writer.close();
      noise(100, 99).copy(read, 2 * MiB + 1000);
      const again = await contentOf(new VirtualDisk([await VhdxFile.open(file), ...parents]));
      assert.ok(again.equals(read), `${what}: replayed and written to`);
    }
  }
}

test('a crash at any write to a dynamic disk leaves a disk that opens and holds all that was flushed', async () => {
  const file = await emptyVhdx({ sizeBytes });
  const start = Buffer.from(file.bytes);
  file.operations.length = 0;
  const moments = await workload(file, await writerOf(file), Buffer.alloc(sizeBytes), manyPlaces);
  await checkEveryCrash(start, file.operations, moments, []);
});

for (const [what, places] of [
  ['at any write to a differencing disk', manyPlaces],
  ['while a differencing disk is closed that was never flushed', [MiB + 100]],
] as const) {
  test(`a crash ${what} leaves a disk that opens and holds all that was flushed`, async () => {
    const base = await emptyVhdx({ sizeBytes });
    const content = noise(sizeBytes, 3);
    const baseWriter = await writerOf(base);
    await baseWriter.write(content, 0);
    await baseWriter.close();
    const parent = await VhdxFile.open(base);
    const file = await emptyVhdx({ sizeBytes, parent: { linkage: parent.identity.guid, relativePath: '.\\base' } });
    const start = Buffer.from(file.bytes);
    file.operations.length = 0;
    const moments = await workload(file, await writerOf(file, [parent]), content, places);
    await checkEveryCrash(start, file.operations, moments, [parent]);
  });
}

test('a crash while a log is replayed leaves a log that is replayed the next time', async () => {
  const file = await emptyVhdx();
  const writer = await writerOf(file);
  await writer.write(noise(2 * MiB, 5), 100);
  await writer.flush();
  const dirty = Buffer.from(file.bytes);
  const expected = await contentOf(new VirtualDisk([await VhdxFile.open(new MemoryFile(Buffer.from(dirty)))]));
  const replaying = new MemoryFile(Buffer.from(dirty));
  await VhdxFile.open(replaying, true);
  assert.ok(replaying.operations.length > 3);
  for (let count = 0; count <= replaying.operations.length; count++) {
    const again = await crashed(
      dirty,
      replaying.operations,
      count,
      () => true,
      (bytes) => Math.floor(bytes / 2),
    );
    assert.ok((await contentOf(new VirtualDisk([await VhdxFile.open(again, true)]))).equals(expected));
  }
});
