/** What `kill -9` of an agent or of a `sim` command leaves of a simulated host. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { createSimulatedProvider, createVm, guestWrite, initHost, power } from '../../server/agent/simulated/index.ts';
import type { Extent, HostProvider } from '../../server/agent/provider.ts';
import type { ReferencePoint, VmInfo } from '../../server/protocol/model.ts';
import {
  allExtents,
  checkpointOf,
  exportOf,
  frozenImage,
  guestImage,
  MiB,
  never,
  quiet,
} from '../unit/simulated/support.ts';

const child = fileURLToPath(new URL('support/simulated-child.ts', import.meta.url));
const size = 6 * MiB;
const diskNames = ['os', 'data'] as const;

interface Bench {
  readonly root: string;
  readonly otherRoot: string;
  readonly directory: string;
  readonly vm: VmInfo;
  /** The reference point of the last backup, and the disks as they were at its checkpoint. */
  readonly base: ReferencePoint;
  readonly baseImages: readonly Buffer[];
}

/** Two hosts; a VM with two disks, backed up once, that wrote on afterwards. */
async function newBench(t: TestContext, otherDirectory?: string): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-kill-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const root = join(directory, 'hv01');
  const otherRoot = join(otherDirectory ?? directory, 'hv02');
  await initHost(root, { name: 'hv01' });
  await initHost(otherRoot, { name: 'hv02' });
  const vm = await createVm(root, { name: 'web', disks: diskNames.map((name) => ({ name, sizeBytes: size })) });
  await guestWrite(root, 'web', 'os', { offset: 1000, from: Buffer.alloc(2 * MiB, 'before') });
  const provider = createSimulatedProvider(root, { jobMs: 0 });
  const checkpoint = await checkpointOf(provider, vm);
  const baseImages = await imagesOf(root, directory);
  const base = await provider.convertCheckpoint(checkpoint.id, quiet);
  await provider[Symbol.asyncDispose]();
  await guestWrite(root, 'web', 'os', { offset: 3 * MiB - 5, from: Buffer.alloc(100_000, 'since') });
  await guestWrite(root, 'web', 'data', { offset: 0, from: Buffer.alloc(10, 'x') });
  return { root, otherRoot, directory, vm, base, baseImages };
}

async function imagesOf(root: string, directory: string): Promise<readonly Buffer[]> {
  const images: Buffer[] = [];
  for (const disk of diskNames) images.push(await guestImage(root, 'web', disk, directory));
  return images;
}

/** Runs the child until it ends or `killAfterMs` passed; the signal or exit code it ended with. */
async function runChild(
  bench: Bench,
  action: string,
  options: { readonly failpoint?: string; readonly killAfterMs?: number },
): Promise<string> {
  const started = spawn(process.execPath, [child, action, bench.root, bench.otherRoot], {
    env: { ...process.env, TIDEMARK_FAILPOINT: options.failpoint ?? '' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const timer =
    options.killAfterMs === undefined ? undefined : setTimeout(() => started.kill('SIGKILL'), options.killAfterMs);
  return new Promise((resolve, reject) => {
    started.once('error', reject);
    started.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(signal ?? String(code));
    });
  });
}

/** Finds the VM, recovers both hosts, clears what the dead backup had open, and checks that nothing is lost, changed or left over. */
async function checkAfterDeath(bench: Bench): Promise<void> {
  const { root, otherRoot, directory, vm, base, baseImages } = bench;
  const providers = [root, otherRoot].map((path) => createSimulatedProvider(path, { jobMs: 0 }));
  for (const provider of providers) await provider.recover(never);
  for (const provider of providers) assert.deepEqual(await provider.recover(never), [], 'recovered once and for all');
  const homes = [];
  for (const [at, provider] of providers.entries()) {
    if ((await provider.listVms(never)).some((entry) => entry.id === vm.id)) homes.push(at);
  }
  assert.equal(homes.length, 1, 'the VM is on one host');
  const home = homes[0] === 1 ? otherRoot : root;
  const provider = providers[homes[0] ?? 0];
  assert.ok(provider);
  const images = await imagesOf(home, directory);
  for (const { id } of await provider.listCheckpoints(vm.id, never)) await provider.removeCheckpoint(id, quiet);
  const points = await provider.listReferencePoints(vm.id, never);
  assert.ok(
    points.some((point) => point.id === base.id),
    'the reference point of the last backup is there',
  );
  for (const { id } of points) if (id !== base.id) await provider.removeReferencePoint(id, undefined, quiet);
  await checkClean(home);
  if (homes[0] === 1) await checkEmpty(root);

  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  for (const [at, disk] of opened.disks.entries()) {
    const image = images[at] ?? Buffer.alloc(0);
    assert.ok((await frozenImage(provider, opened, disk.id)).equals(image), `${disk.name} is what the guest saw`);
    const since = base.disks.find((entry) => entry.diskId === disk.id)?.trackingId;
    const extents = await allExtents(provider, opened, disk.id, since);
    assert.ok(rebuilt(baseImages[at] ?? Buffer.alloc(0), image, extents).equals(image), `${disk.name}: nothing missed`);
    assert.ok(extents.reduce((sum, extent) => sum + extent.length, 0) < size, `${disk.name}: not simply everything`);
  }
  await provider.convertCheckpoint(checkpoint.id, quiet);
  assert.ok((await imagesOf(home, directory)).every((image, at) => image.equals(images[at] ?? Buffer.alloc(0))));
  await checkClean(home);
  for (const each of providers) await each[Symbol.asyncDispose]();
}

/** `before` with the bytes of the extents taken from `after`. */
function rebuilt(before: Buffer, after: Buffer, extents: readonly Extent[]): Buffer {
  const image = Buffer.from(before);
  for (const { offset, length } of extents) after.copy(image, offset, offset, offset + length);
  return image;
}

async function checkClean(root: string): Promise<void> {
  const files = diskNames.flatMap((name) => [`${name}.vhdx`, `${name}.vhdx.mrt`, `${name}.vhdx.rct`]);
  assert.deepEqual((await readdir(join(root, 'vms', 'web'))).sort(), [...files, 'vm.json'].sort());
  for (const id of await readdir(join(root, 'memory'))) {
    for (const file of await readdir(join(root, 'memory', id))) assert.match(file, /^(os|data)\.memory$/);
  }
  for (const folder of ['export', 'restoring', 'creating', 'incoming']) {
    assert.deepEqual(await readdir(join(root, folder)), [], folder);
  }
}

async function checkEmpty(root: string): Promise<void> {
  for (const folder of ['vms', 'memory', 'export', 'restoring', 'creating', 'incoming']) {
    assert.deepEqual(await readdir(join(root, folder)), [], folder);
  }
}

const deaths: readonly (readonly [action: string, steps: readonly string[]])[] = [
  ['convert', ['checkpoint:leaf', 'checkpoint:tracking', 'checkpoint:disk', 'checkpoint:saved', 'export:staged']],
  ['convert', ['export:opened', 'export:read', 'convert:before', 'convert:decided']],
  ['remove', ['remove:before', 'remove:decided', 'merge:before', 'merge:merged', 'merge:saved', 'merge:removed']],
  ['forget', ['reference-point:removed']],
  ['write', ['guest:marked', 'guest:written']],
  ['off', ['power-off:tracked', 'power-off:saved']],
  ['on', ['power-on:tracked']],
  ['fail', ['power-fail:saved']],
  ['migrate', ['move:memory', 'move:renamed', 'move:done']],
];

for (const [action, steps] of deaths) {
  test(`killed while it was at "${action}", the host recovers at every step (${steps.join(', ')})`, async (t) => {
    for (const step of steps) {
      const bench = await newBench(t);
      assert.equal(await runChild(bench, action, { failpoint: `agent.${step}` }), 'SIGKILL', step);
      await checkAfterDeath(bench).catch((error: unknown) => {
        throw new Error(`after ${step}`, { cause: error });
      });
    }
  });
}

test('killed while it restores a VM, the host has the whole new VM or none of it', async (t) => {
  for (const step of ['restore:closed', 'restore:written', 'restore:published']) {
    const bench = await newBench(t);
    assert.equal(await runChild(bench, 'restore', { failpoint: `agent.${step}` }), 'SIGKILL', step);
    await checkAfterDeath(bench);
    const names = await readdir(join(bench.root, 'vms'));
    assert.deepEqual(names.sort(), step === 'restore:published' ? ['copy', 'web'] : ['web']);
    if (step === 'restore:published') await power(bench.root, 'copy', 'on');
  }
});

test('killed while it moves a VM between file systems, the VM is on one host, whole', async (t) => {
  const shared = '/dev/shm';
  const device = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.dev;
  if ((await device(shared)) === undefined || (await device(shared)) === (await device(tmpdir()))) {
    t.skip('there is no second file system');
    return;
  }
  for (const step of ['move:memory', 'move:copied', 'move:decided', 'move:arrived', 'none']) {
    const other = await mkdtemp(join(shared, 'tidemark-kill-'));
    t.after(() => rm(other, { recursive: true, force: true }));
    const bench = await newBench(t, other);
    const ended = await runChild(bench, 'migrate', { failpoint: `agent.${step}` });
    assert.equal(ended, step === 'none' ? '0' : 'SIGKILL', step);
    await checkAfterDeath(bench).catch((error: unknown) => {
      throw new Error(`after ${step}`, { cause: error });
    });
  }
});

test('a guest can write before anybody recovers the host from a killed agent', async (t) => {
  for (const step of ['checkpoint:disk', 'checkpoint:saved', 'convert:decided', 'merge:merged']) {
    const bench = await newBench(t);
    assert.equal(await runChild(bench, 'convert', { failpoint: `agent.${step}` }), 'SIGKILL', step);
    await guestWrite(bench.root, 'web', 'os', { offset: 5 * MiB + 3, from: Buffer.alloc(70_000, step) });
    await power(bench.root, 'web', 'off');
    await power(bench.root, 'web', 'on');
    await checkAfterDeath(bench);
  }
});

test('killed at any other moment, the host recovers too', async (t) => {
  for (let round = 0; round < 5; round++) {
    const bench = await newBench(t);
    assert.equal(await runChild(bench, 'storm', { killAfterMs: 250 + round * 61 }), 'SIGKILL');
    if ((await hostOf(bench)).state === 'off') await power(bench.root, 'web', 'on');
    await checkAfterDeath(bench);
  }
});

async function hostOf(bench: Bench): Promise<VmInfo> {
  const provider: HostProvider = createSimulatedProvider(bench.root, { jobMs: 0 });
  const found = (await provider.listVms(never))[0];
  await provider[Symbol.asyncDispose]();
  assert.ok(found);
  return found;
}
