import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  createSimulatedProvider,
  createVm,
  guestLoad,
  guestWrite,
  initHost,
  migrate,
  power,
} from '../../../server/agent/simulated/index.ts';
import { diskId } from '../../../server/protocol/ids.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  frozenImage,
  guestImage,
  hostWithVm,
  MiB,
  never,
  quiet,
  scratch,
} from './support.ts';

const noDisk = diskId('00000000-0000-0000-0000-000000000000', 'disk');

test('the guest writes while a checkpoint is taken, open, converted and waiting for its merge', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t, { provider: { jobMs: 60_000 } });
  const abort = new AbortController();
  const job = { signal: abort.signal, progress: () => undefined };
  const write = (at: number, text: string): Promise<void> =>
    guestWrite(root, 'web', 'os', { offset: at * MiB, from: Buffer.alloc(100, text) });
  const pending = checkpointOf(provider, vm, 'crash', job);
  await write(1, 'while it is taken');
  abort.abort();
  await assert.rejects(pending, code('cancelled'));

  const fast = createSimulatedProvider(root, { jobMs: 0 });
  const checkpoint = await checkpointOf(fast, vm);
  await write(2, 'while it is open');
  let decided = (): void => undefined;
  const isDecided = new Promise<void>((resolve) => (decided = resolve));
  const slow = createSimulatedProvider(root, {
    jobMs: 400,
    onStep: (step) => (step === 'convert:decided' ? decided() : undefined),
  });
  let done = false;
  const converting = slow.convertCheckpoint(checkpoint.id, quiet).finally(() => (done = true));
  await isDecided;
  await write(3, 'while its merge waits');
  assert.equal(done, false, 'the guest did not wait for the job');
  await converting;
  const image = await guestImage(root, 'web', 'os', directory);
  for (const [at, text] of ['while it is taken', 'while it is open', 'while its merge waits'].entries()) {
    assert.equal(image.toString('latin1', (at + 1) * MiB, (at + 1) * MiB + text.length), text);
  }
});

test('commands at once take turns: no write is lost, and each is in the changes', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t);
  const base = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const places = Array.from({ length: 12 }, (_, at) => at * 600_000 + 5);
  await Promise.all(
    places.map((offset, at) => guestWrite(root, 'web', 'os', { offset, from: Buffer.alloc(500, at + 1) })),
  );
  const image = await guestImage(root, 'web', 'os', directory);
  for (const [at, offset] of places.entries()) {
    assert.ok(image.subarray(offset, offset + 500).equals(Buffer.alloc(500, at + 1)), `write ${at}`);
  }
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const extents = await allExtents(provider, opened, opened.disks[0]?.id ?? noDisk, base.disks[0]?.trackingId);
  for (const offset of places) {
    const inside = extents.some((extent) => extent.offset <= offset && extent.offset + extent.length >= offset + 500);
    assert.ok(inside, `byte ${offset}`);
  }
});

test('of several commands that want the same name or the same change, one succeeds', async (t) => {
  const { root, directory } = await hostWithVm(t);
  const other = join(directory, 'hv02');
  await initHost(other);
  const disks = [{ name: 'os', sizeBytes: MiB }];
  const outcomes = async (attempts: readonly Promise<unknown>[]): Promise<number> =>
    (await Promise.allSettled(attempts)).filter((result) => result.status === 'fulfilled').length;
  assert.equal(await outcomes([1, 2, 3].map(() => createVm(root, { name: 'new', disks }))), 1);
  assert.equal(await outcomes([1, 2, 3].map(() => power(root, 'web', 'off'))), 1);
  assert.equal(await outcomes([1, 2, 3].map(() => migrate(root, 'web', other))), 1);
  assert.deepEqual(await readdir(join(root, 'vms')), ['new']);
  assert.deepEqual(await readdir(join(other, 'vms')), ['web']);
  assert.deepEqual(await readdir(join(root, 'creating')), []);
});

test('agents that start again and again remove nothing that a living one is just making', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const checkpoint = await checkpointOf(provider, vm);
  const others = [0, 1].map(() => createSimulatedProvider(root, { jobMs: 0 }));
  const stop = new AbortController();
  const recovering = others.map(async (other) => {
    while (!stop.signal.aborted) assert.deepEqual(await other.recover(never), []);
  });
  for (let turn = 0; turn < 25; turn++) {
    const opened = await exportOf(provider, checkpoint.id);
    assert.equal((await frozenImage(provider, opened, opened.disks[0]?.id ?? noDisk)).length, 8 * MiB);
    await provider.closeExport(opened.id);
  }
  stop.abort();
  await Promise.all(recovering);
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

test('one percent of a 4 GiB disk written in scattered places is reported with hardly a byte more than the chunks it touches', async (t) => {
  const directory = await scratch(t);
  const root = join(directory, 'hv01');
  await initHost(root);
  const sizeBytes = 4096 * MiB;
  const vm = await createVm(root, { name: 'web', disks: [{ name: 'os', sizeBytes }] });
  const provider = createSimulatedProvider(root, { jobMs: 0 });
  const base = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const { writtenBytes } = await guestLoad(root, 'web', 'os', { percent: 1, seed: 3 });
  assert.ok(writtenBytes >= sizeBytes / 100);
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const disk = opened.disks[0]?.id ?? noDisk;
  const extents = await allExtents(provider, opened, disk, base.disks[0]?.trackingId, 100);
  const chunk = 64 * 1024;
  const reported = new Set<number>();
  for (const { offset, length } of extents) {
    for (let at = Math.floor(offset / chunk); at * chunk < offset + length; at++) reported.add(at);
  }
  // A disk that was empty before: what is not zero now has changed.
  const reader = await provider.openDisk(opened.id, disk);
  const buffer = Buffer.alloc(chunk);
  const zero = Buffer.alloc(chunk);
  let changed = 0;
  for (const at of reported) {
    await reader.read(buffer, at * chunk);
    if (!buffer.equals(zero)) changed += 1;
  }
  assert.ok(reported.size <= changed * 1.02, `${reported.size} chunks reported, ${changed} changed`);
  assert.ok(extents.reduce((sum, extent) => sum + extent.length, 0) < writtenBytes * 1.4, 'finer than chunks, too');
  await provider[Symbol.asyncDispose]();
});
