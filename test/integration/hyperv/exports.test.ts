import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { HostExport, HostProvider } from '../../../server/agent/provider.ts';
import { guestWrite } from '../../../server/agent/simulated/index.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { trackingId } from '../../../server/protocol/ids.ts';
import type { DiskId, TrackingId } from '../../../server/protocol/ids.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  frozenImage,
  guestImage,
  MiB,
  never,
  quiet,
} from '../../unit/simulated/support.ts';
import { noise } from '../../unit/vhdx/support.ts';
import { hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

const KiB = 1024;

async function writes(
  site: HyperVSite,
  disk: string,
  ...places: readonly (readonly [number, number])[]
): Promise<void> {
  for (const [at, [offset, length]] of places.entries()) {
    await guestWrite(site.root, 'web', disk, { offset, from: noise(length, offset + at + length) });
  }
}

const diskOf = (vm: VmInfo, name: string): DiskId => {
  const found = vm.disks.find((disk) => disk.name === name);
  assert.ok(found !== undefined);
  return found.id;
};

/** The image that a reader makes of the base and the extents that an export lists. */
async function rebuilt(
  provider: HostProvider,
  opened: HostExport,
  disk: DiskId,
  base?: { readonly image: Buffer; readonly since: TrackingId },
): Promise<Buffer> {
  const extents = await allExtents(provider, opened, disk, base?.since);
  const reader = await provider.openDisk(opened.id, disk);
  const image = base === undefined ? Buffer.alloc(reader.sizeBytes) : Buffer.from(base.image);
  for (const { offset, length } of extents) await reader.read(image.subarray(offset, offset + length), offset);
  await reader.close();
  return image;
}

const images = async (site: HyperVSite): Promise<readonly Buffer[]> => [
  await guestImage(site.root, 'web', 'os', site.directory),
  await guestImage(site.root, 'web', 'data', site.directory),
];

test('a full and three incrementals, rebuilt from what Hyper-V lists, are the disks as they were at each checkpoint', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { provider, vm } = site;
  await writes(site, 'os', [0, MiB], [5 * MiB + 512, 3 * KiB]);
  await writes(site, 'data', [10 * MiB, 2 * MiB]);
  let bases = new Map<DiskId, { readonly image: Buffer; readonly since: TrackingId }>();
  let point: Awaited<ReturnType<HostProvider['convertCheckpoint']>> | undefined;
  for (let round = 0; round < 4; round++) {
    const expected = await images(site);
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await exportOf(provider, checkpoint.id);
    assert.deepEqual(opened.warnings, []);
    // The guest goes on; nobody who reads sees it.
    await writes(site, 'os', [round * MiB, 64 * KiB], [7 * MiB + round * 4096, 512]);
    if (round % 2 === 0) await writes(site, 'data', [3 * MiB + round * 512, 100 * KiB]);
    const next = new Map<DiskId, { readonly image: Buffer; readonly since: TrackingId }>();
    const read = new Map<DiskId, Buffer>();
    for (const [at, name] of ['os', 'data'].entries()) {
      const id = diskOf(vm, name);
      const image = await rebuilt(provider, opened, id, bases.get(id));
      assert.ok(image.equals(expected[at] ?? Buffer.alloc(0)), `${name} in round ${round}`);
      assert.ok((await frozenImage(provider, opened, id)).equals(image), `${name} as it is frozen in round ${round}`);
      read.set(id, image);
    }
    const converted = await provider.convertCheckpoint(checkpoint.id, quiet);
    await assert.rejects(provider.openDisk(opened.id, diskOf(vm, 'os')), code('exportNotFound'));
    for (const { diskId, trackingId: since } of converted.disks) {
      const image = read.get(diskId);
      assert.ok(image !== undefined);
      next.set(diskId, { image, since });
    }
    if (point !== undefined) await provider.removeReferencePoint(point.id, undefined, quiet);
    point = converted;
    bases = next;
    assert.equal(bases.size, 2);
  }
});

test('an incremental lists little, and a tracking id that Hyper-V does not know is no "nothing changed"', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { provider, vm } = site;
  await writes(site, 'data', [0, 8 * MiB]);
  const first = await checkpointOf(provider, vm);
  const point = await provider.convertCheckpoint(first.id, quiet);
  const data = diskOf(vm, 'data');
  const since = point.disks.find(({ diskId }) => diskId === data)?.trackingId;
  assert.ok(since !== undefined);
  const none = await checkpointOf(provider, vm);
  const nothing = await exportOf(provider, none.id);
  assert.deepEqual(await allExtents(provider, nothing, data, since), []);
  await provider.removeCheckpoint(none.id, quiet);
  await writes(site, 'data', [4 * MiB, 512], [15 * MiB, 4096]);
  const second = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, second.id);
  const changed = await allExtents(provider, opened, data, since, 1);
  assert.ok(changed.length >= 2);
  assert.ok(changed.reduce((sum, { length }) => sum + length, 0) <= MiB);
  const unknown = trackingId('rctX:99999999:0000:0000:0000:000000000000:00000001', 'trackingId');
  await assert.rejects(allExtents(provider, opened, data, unknown), code('trackingUnknown'));
  await provider.closeExport(opened.id);
  await provider.removeCheckpoint(second.id, quiet);
});

test('each way in which Hyper-V does not tell what changed makes a full read, or a failure, and never an incomplete set', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { provider, vm, vmms } = site;
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const os = diskOf(vm, 'os');
  const since = point.disks.find(({ diskId }) => diskId === os)?.trackingId;
  assert.ok(since !== undefined);
  const base = { image: await guestImage(site.root, 'web', 'os', site.directory), since };
  await writes(site, 'os', [0, 512], [MiB, 512], [2 * MiB, 512], [3 * MiB, 70_000], [8 * MiB - 512, 512]);
  const expected = await guestImage(site.root, 'web', 'os', site.directory);
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  const ask = (): Promise<unknown> => allExtents(provider, opened, os, since, 100);

  vmms.faults.set({ changedRanges: 1 });
  assert.ok((await rebuilt(provider, opened, os, base)).equals(expected), 'one range a call');
  vmms.faults.reset();
  // docs/hyperv.md: what these mean is that the disk must be read in full.
  for (const low of [0x20, 0x21, 0x22, 0x23, 0x24, 0x29, 0x2a, 0x30]) {
    vmms.faults.set({ changesFail: 0xc03a_0000 + low });
    await assert.rejects(ask(), code('trackingUnknown'), low.toString(16));
  }
  for (const other of [0x8007_0005, 0x8007_0002, 0xc03a_000d]) {
    vmms.faults.set({ changesFail: other });
    await assert.rejects(
      ask(),
      (error) => error instanceof Error && !TidemarkError.is(error, errorCodes.trackingUnknown),
      other.toString(16),
    );
  }
  vmms.faults.reset();
  for (const broken of [{ zeroProgress: true }, { changeArraysDiffer: true }] as const) {
    vmms.faults.set(broken);
    await assert.rejects(ask(), (error) => TidemarkError.is(error));
    vmms.faults.reset();
  }
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

test('Server 2016 leaves an excluded disk alone when disks are read directly', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t, { build: 14_393 });
  const { provider, vm } = site;
  await writes(site, 'os', [0, MiB]);
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [diskOf(vm, 'data')] }, quiet);
  assert.deepEqual(opened.warnings, []);
  assert.deepEqual(
    opened.disks.map(({ name }) => name),
    ['os'],
  );
  await assert.rejects(provider.openDisk(opened.id, diskOf(vm, 'data')), code('diskNotFound'));
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

test('the configuration in an export is the one of the checkpoint, with files that Hyper-V takes back', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { provider, vm } = site;
  const checkpoint = await checkpointOf(provider, vm);
  const { configuration } = await exportOf(provider, checkpoint.id);
  assert.equal(configuration.name, 'web');
  assert.deepEqual(
    configuration.disks.map(({ name }) => name),
    ['os', 'data'],
  );
  assert.ok(configuration.files.some(({ name }) => name.toLowerCase().endsWith('.vmcx')));
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

for (const build of [14_393, 20_348] as const) {
  test(`copies that Hyper-V makes are read where its files cannot be, on build ${build}`, async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { build, provider: { alwaysCopy: true } });
    const { provider, vm, stateFolder } = site;
    await writes(site, 'os', [MiB, MiB]);
    await writes(site, 'data', [0, 512]);
    const [os] = await images(site);
    assert.ok(os !== undefined);
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await provider.openExport(
      { checkpointId: checkpoint.id, excludeDisks: [diskOf(vm, 'data')] },
      quiet,
    );
    await writes(site, 'os', [0, 4 * MiB]);
    assert.ok((await rebuilt(provider, opened, diskOf(vm, 'os'))).equals(os));
    // Server 2016 copies what is excluded, and says so.
    assert.equal(opened.warnings.length, build === 14_393 ? 2 : 1);
    assert.equal((await readdir(join(stateFolder, 'exports'))).length, 1);
    await provider.convertCheckpoint(checkpoint.id, quiet);
    assert.deepEqual(await readdir(join(stateFolder, 'exports')), []);
    await provider.listVms(never);
  });
}
