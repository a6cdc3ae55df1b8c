/** What every `HostProvider` must do, as tests over a simulated host: for the simulated provider, and for that of Hyper-V over its fake. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test as nodeTest } from 'node:test';
import type { TestContext } from 'node:test';

import type { HostProvider } from '../../server/agent/provider.ts';
import { guestLoad, guestWrite, power } from '../../server/agent/simulated/index.ts';
import { diskId, exportId } from '../../server/protocol/ids.ts';
import type { VmInfo } from '../../server/protocol/model.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  frozenImage,
  guestImage,
  MiB,
  never,
  owner,
  quiet,
  run,
} from '../unit/simulated/support.ts';

/** A host with one VM `web` that has one disk `os` of 8 MiB. */
export interface ProviderSite {
  /** The simulated host. */
  readonly root: string;
  readonly vm: VmInfo;
  readonly provider: HostProvider;
  /** A folder for anything. */
  readonly directory: string;
}

export interface SiteOptions {
  readonly configVersion?: string;
  /** How long jobs of the host take, in milliseconds. */
  readonly jobMs?: number;
}

const bytes = (text: string, length: number): Buffer => Buffer.alloc(length, text);

/** Registers the tests. `site` makes a host for one of them, which goes with it; `skip` says that there can be none here. */
export function providerCases(
  site: (t: TestContext, options?: SiteOptions) => Promise<ProviderSite>,
  skip: (t: TestContext) => boolean = () => false,
): void {
  const test = (name: string, body: (t: TestContext) => Promise<void>): void => {
    nodeTest(name, async (t) => {
      if (!skip(t)) await body(t);
    });
  };

  test('a checkpoint freezes the disk while the guest goes on writing, and merging leaves what the guest wrote', async (t) => {
    const { root, vm, provider, directory } = await site(t);
    await guestWrite(root, 'web', 'os', { offset: MiB, from: bytes('before', MiB) });
    const before = await guestImage(root, 'web', 'os', directory);
    const checkpoint = await checkpointOf(provider, vm, 'application');
    assert.equal(checkpoint.owner, owner);
    assert.equal(checkpoint.runId, run);
    assert.equal(checkpoint.consistency, 'application');
    assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
    assert.equal((await provider.listVms(never))[0]?.checkpointCount, 1);
    await guestWrite(root, 'web', 'os', { offset: MiB + 77, from: bytes('after', 2 * MiB) });
    const after = await guestImage(root, 'web', 'os', directory);
    const opened = await exportOf(provider, checkpoint.id);
    const [disk] = opened.disks;
    assert.ok(disk);
    assert.ok((await frozenImage(provider, opened, disk.id)).equals(before));
    await provider.closeExport(opened.id);
    await assert.rejects(provider.closeExport(opened.id), code('exportNotFound'));
    await provider.removeCheckpoint(checkpoint.id, quiet);
    assert.ok((await guestImage(root, 'web', 'os', directory)).equals(after));
    assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
    assert.deepEqual((await readdir(join(root, 'vms', 'web'))).filter((name) => name.includes('os')).toSorted(), [
      'os.vhdx',
      'os.vhdx.mrt',
      'os.vhdx.rct',
    ]);
    await assert.rejects(provider.removeCheckpoint(checkpoint.id, quiet), code('checkpointNotFound'));
    await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet), code('checkpointNotFound'));
    await assert.rejects(exportOf(provider, checkpoint.id), code('checkpointNotFound'));
  });

  test('an incremental lists what changed since the reference point, never what came after the checkpoint', async (t) => {
    const { root, vm, provider } = await site(t);
    const first = await checkpointOf(provider, vm);
    await guestWrite(root, 'web', 'os', { offset: 3 * MiB, from: bytes('x', 10) });
    const point = await provider.convertCheckpoint(first.id, quiet);
    assert.deepEqual(await provider.listReferencePoints(vm.id, never), [point]);
    const since = point.disks[0]?.trackingId;
    assert.ok(since !== undefined);
    // Some hosts know it only now.
    assert.ok([since, undefined].includes(first.disks[0]?.trackingId));
    const second = await checkpointOf(provider, vm);
    await guestWrite(root, 'web', 'os', { offset: 6 * MiB, from: bytes('y', 10) });
    const opened = await exportOf(provider, second.id);
    const disk = opened.disks[0]?.id ?? diskId('', '');
    assert.deepEqual(await allExtents(provider, opened, disk, since), [{ offset: 3 * MiB, length: 16_384 }]);
    await provider.convertCheckpoint(second.id, quiet);
    await provider.closeExport(opened.id);
    await provider.removeReferencePoint(point.id, undefined, quiet);
    await assert.rejects(provider.removeReferencePoint(point.id, undefined, quiet), code('referencePointNotFound'));
    const third = await exportOf(provider, (await checkpointOf(provider, vm)).id);
    await assert.rejects(allExtents(provider, third, disk, since), code('trackingUnknown'));
    const newer = (await provider.listReferencePoints(vm.id, never))[0]?.disks[0]?.trackingId;
    assert.deepEqual(await allExtents(provider, third, disk, newer), [{ offset: 6 * MiB, length: 16_384 }]);
  });

  test('without a base the allocated extents cover every byte that is not zero', async (t) => {
    const { root, vm, provider } = await site(t);
    for (const offset of [0, 2 * MiB + 5, 7 * MiB])
      await guestWrite(root, 'web', 'os', { offset, from: bytes('z', 300_000) });
    const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
    const disk = opened.disks[0]?.id ?? diskId('', '');
    const image = await frozenImage(provider, opened, disk);
    let last = -1;
    for (const extent of await allExtents(provider, opened, disk, undefined, 1)) {
      assert.ok(extent.offset >= last && extent.offset + extent.length <= 8 * MiB);
      last = extent.offset + extent.length;
      image.fill(0, extent.offset, last);
    }
    assert.ok(image.equals(Buffer.alloc(8 * MiB)));
  });

  test('a query is answered from the coarser bitmaps after a stop and after a power failure, also with a checkpoint open', async (t) => {
    const { root, vm, provider } = await site(t);
    const since = (await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet)).disks[0]?.trackingId;
    await guestWrite(root, 'web', 'os', { offset: 3 * MiB + 70_000, from: bytes('x', 10) });
    await power(root, 'web', 'off');
    await power(root, 'web', 'on');
    const ask = async (): Promise<unknown> => {
      const checkpoint = await checkpointOf(provider, vm);
      const opened = await exportOf(provider, checkpoint.id);
      const extents = await allExtents(provider, opened, opened.disks[0]?.id ?? diskId('', ''), since);
      await provider.removeCheckpoint(checkpoint.id, quiet);
      await provider.closeExport(opened.id);
      return extents;
    };
    assert.deepEqual(await ask(), [{ offset: 3 * MiB + 65_536, length: 65_536 }]);
    await power(root, 'web', 'fail');
    assert.deepEqual(await ask(), [{ offset: 3 * MiB, length: MiB }]);
    await power(root, 'web', 'on');
    assert.deepEqual(await ask(), [{ offset: 3 * MiB, length: MiB }]);
    const checkpoint = await checkpointOf(provider, vm);
    await guestWrite(root, 'web', 'os', { offset: 5 * MiB, from: bytes('y', 10) });
    await power(root, 'web', 'fail');
    const opened = await exportOf(provider, checkpoint.id);
    const disk = opened.disks[0]?.id ?? diskId('', '');
    assert.deepEqual(await allExtents(provider, opened, disk, since), [{ offset: 3 * MiB, length: MiB }]);
    await provider.convertCheckpoint(checkpoint.id, quiet);
    await power(root, 'web', 'on');
  });

  test('deleted or damaged tracking files and a disk changed offline make the id unknown, and the next checkpoint starts anew', async (t) => {
    const { root, vm, provider } = await site(t);
    const folder = join(root, 'vms', 'web');
    const flip = async (file: string): Promise<void> => {
      const content = await readFile(file);
      content[20] = (content[20] ?? 0) ^ 0xff;
      await writeFile(file, content);
    };
    const harms: Record<string, () => Promise<void>> = {
      'rct deleted': () => rm(join(folder, 'os.vhdx.rct')),
      'mrt deleted': () => rm(join(folder, 'os.vhdx.mrt')),
      'rct damaged': () => flip(join(folder, 'os.vhdx.rct')),
      'mrt damaged': () => flip(join(folder, 'os.vhdx.mrt')),
    };
    for (const [what, harm] of Object.entries(harms)) {
      const since = (await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet)).disks[0]
        ?.trackingId;
      await harm();
      await guestWrite(root, 'web', 'os', { offset: 0, from: bytes(what, 10) });
      const checkpoint = await checkpointOf(provider, vm);
      const opened = await exportOf(provider, checkpoint.id);
      const disk = opened.disks[0]?.id ?? diskId('', '');
      await assert.rejects(allExtents(provider, opened, disk, since), code('trackingUnknown'), what);
      const point = await provider.convertCheckpoint(checkpoint.id, quiet);
      const next = await checkpointOf(provider, vm);
      const again = await exportOf(provider, next.id);
      assert.deepEqual(await allExtents(provider, again, disk, point.disks[0]?.trackingId), [], what);
      await provider.removeCheckpoint(next.id, quiet);
    }
  });

  test('a VM of a configuration version below 6.2 says why RCT refuses it', async (t) => {
    for (const [configVersion, refused] of [
      ['5.0', true],
      ['6.1', true],
      ['6.2', false],
      ['10.0', false],
    ] as const) {
      const { vm, provider } = await site(t, { configVersion });
      assert.equal(vm.rctBlockers.length > 0, refused, configVersion);
      if (refused) await assert.rejects(checkpointOf(provider, vm), code('vmNotEligible'));
      else await checkpointOf(provider, vm);
    }
  });

  test('every job reports percents that rise to 100', async (t) => {
    const { vm, provider } = await site(t, { jobMs: 8 });
    const seen = new Map<string, number[]>();
    const job = {
      signal: never,
      progress: (kind: string, percent: number) => void seen.set(kind, [...(seen.get(kind) ?? []), percent]),
    };
    const first = await checkpointOf(provider, vm, 'crash', job);
    const opened = await provider.openExport({ checkpointId: first.id, excludeDisks: [] }, job);
    await provider.closeExport(opened.id);
    await provider.convertCheckpoint(first.id, job);
    await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, { ...job });
    assert.deepEqual([...seen.keys()].sort(), ['checkpoint', 'convert', 'export', 'merge', 'remove-checkpoint']);
    for (const [kind, percents] of seen) {
      assert.equal(Math.max(...percents), 100, kind);
      assert.ok(percents.length > 2, `${kind}: ${percents.join(' ')}`);
    }
    const rising = seen.get('convert') ?? [];
    assert.deepEqual(
      rising,
      rising.toSorted((a, b) => a - b),
    );
  });

  test('ending a checkpoint ends its exports: readers fail instead of reading what the merge writes', async (t) => {
    const { vm, provider } = await site(t);
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await exportOf(provider, checkpoint.id);
    const reader = await provider.openDisk(opened.id, opened.disks[0]?.id ?? diskId('', ''));
    await provider.removeCheckpoint(checkpoint.id, quiet);
    await assert.rejects(reader.read(new Uint8Array(10), 0), code('exportNotFound'));
    await provider.closeExport(opened.id);
    await assert.rejects(provider.closeExport(exportId('nope', 'id')), code('exportNotFound'));
  });

  test('a load changes the share it was asked for, and the same seed makes the same disk', async (t) => {
    const { root, vm, provider, directory } = await site(t);
    const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
    const result = await guestLoad(root, 'web', 'os', { percent: 25, seed: 5 });
    assert.deepEqual(result, { writtenBytes: 2 * MiB, changedBytes: 2 * MiB });
    const image = await guestImage(root, 'web', 'os', directory);
    const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
    const extents = await allExtents(
      provider,
      opened,
      opened.disks[0]?.id ?? diskId('', ''),
      point.disks[0]?.trackingId,
    );
    const total = extents.reduce((sum, extent) => sum + extent.length, 0);
    assert.ok(total >= 2 * MiB && total < 3 * MiB, `${total}`);
    const twin = await site(t);
    await guestLoad(twin.root, 'web', 'os', { percent: 25, seed: 5 });
    assert.ok((await guestImage(twin.root, 'web', 'os', directory)).equals(image));
    await guestLoad(twin.root, 'web', 'os', { percent: 100, seed: 6 });
    for (const percent of [0, -1, 101, Number.NaN]) {
      await assert.rejects(guestLoad(root, 'web', 'os', { percent }), code('invalidInput'));
    }
  });
}
