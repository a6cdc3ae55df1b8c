/** What happens around a checkpoint while it is read, or long after it was left alone. */
import assert from 'node:assert/strict';
import promises, { readdir, readFile, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Checkpoint } from '../../../server/protocol/model.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { checkpointOf, code, exportOf, never, quiet } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

/** All volumes have as much room as this says, until the test ends. */
function volumeFor(t: TestContext): { freeBytes: number } {
  const volume = { freeBytes: 2 ** 40 };
  const { mock } = t.mock.method(promises, 'statfs', async () => ({
    bavail: volume.freeBytes,
    bsize: 1,
    blocks: 2 ** 40,
  }));
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
  return volume;
}

test(
  'before a volume is full our checkpoints there are removed, who reads them is told, and those of others stay',
  { timeout: 60_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t);
    const checkpoint = await checkpointOf(site.provider, site.vm);
    const others = await site.vmms.paperSnapshot(site.vm.id, 'Microsoft:Hyper-V:Snapshot:Recovery', 'Somebody else');
    const volume = volumeFor(t);
    const provider = await site.restarted({ timing: { pollMs: 20, spaceMs: 50 } });
    await provider.recover(never);
    const opened = await exportOf(provider, checkpoint.id);
    const [disk] = opened.disks;
    assert.ok(disk !== undefined);
    const reader = await provider.openDisk(opened.id, disk.id);
    await reader.read(Buffer.alloc(512), 0);
    volume.freeBytes = 1024 ** 3 - 1;
    const closed = async (): Promise<void> => {
      for (;;) {
        await reader.read(Buffer.alloc(512), 0);
        await sleep(20);
      }
    };
    await assert.rejects(closed(), code('hostDiskFull'));
    while ((await provider.listCheckpoints(site.vm.id, never)).some(({ id }) => id === checkpoint.id)) await sleep(20);
    assert.deepEqual(
      (await provider.listCheckpoints(site.vm.id, never)).map(({ id }) => id),
      [others],
    );
    // The record goes last.
    while ((await readdir(join(site.stateFolder, 'checkpoints'))).length > 0) await sleep(20);
  },
);

test(
  'a volume that gets full while the guest is brought to rest ends the taking of the checkpoint',
  { timeout: 60_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t);
    const volume = volumeFor(t);
    const provider = await site.restarted({ timing: { pollMs: 20, spaceMs: 50 } });
    site.vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
    const taking = assert.rejects(checkpointOf(provider, site.vm, 'application'), code('hostDiskFull'));
    while (!site.vmms.counts.has('invoke CreateSnapshot')) await sleep(5);
    volume.freeBytes = 1024 ** 3 - 1;
    await taking;
    assert.deepEqual(await provider.listCheckpoints(site.vm.id, never), []);
    assert.deepEqual(await readdir(join(site.stateFolder, 'checkpoints')), []);
    site.vmms.faults.reset();
    await site.vmms.mergesSettled();
    assert.deepEqual(site.vmms.leftovers(), []);
  },
);

test('of a disk that went back to an earlier file since the last backup no changes are believed', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const first = await checkpointOf(site.provider, site.vm);
  const point = await site.provider.convertCheckpoint(first.id, quiet);
  const folder = join(site.stateFolder, 'reference-points');
  const [name] = await readdir(folder);
  assert.ok(name !== undefined);
  const listed = async (): Promise<unknown> => {
    const provider = await site.restarted();
    const checkpoint = await checkpointOf(provider, site.vm);
    const { id: exportId } = await exportOf(provider, checkpoint.id);
    const [disk] = point.disks;
    assert.ok(disk !== undefined);
    const { diskId, trackingId: since } = disk;
    try {
      return await provider.listExtents({ exportId, diskId, since, offset: 0, maxExtents: 16 }, never);
    } finally {
      await provider.removeCheckpoint(checkpoint.id, quiet);
    }
  };
  assert.deepEqual(await listed(), { extents: [] });
  const record = await readFile(join(folder, name), 'utf8');
  assert.match(record, /"name":"os\.vhdx"/);
  await writeFile(
    join(folder, name),
    record.replaceAll(/"name":"(os|data)\.vhdx"/g, '"name":"$1_5D1B7E43-0000-0000-0000-000000000000.avhdx"'),
  );
  await assert.rejects(listed(), code('trackingUnknown'));
});

/** Begins to remove a checkpoint. Resolves when Hyper-V was asked; its job goes on until the faults are taken back. */
async function removalOf(
  { provider, vmms }: HyperVSite,
  checkpoint: Checkpoint,
): Promise<{ readonly removed: Promise<void> }> {
  vmms.faults.set({ merge: 'waits', stuckJobs: ['DestroySnapshot'] });
  const removed = provider.removeCheckpoint(checkpoint.id, quiet);
  while (!vmms.counts.has('invoke DestroySnapshot')) await sleep(5);
  return { removed };
}

test('an export of a checkpoint that is being merged is not opened', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const checkpoint = await checkpointOf(site.provider, site.vm);
  const { removed } = await removalOf(site, checkpoint);
  await assert.rejects(exportOf(site.provider, checkpoint.id), code('checkpointNotFound'));
  site.vmms.faults.reset();
  await removed;
});

test('a checkpoint of ours stays in the list until its disks are merged, also in the moment when Hyper-V has let it go', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  const { provider, vmms, vm } = site;
  const checkpoint = await checkpointOf(provider, vm);
  const { removed } = await removalOf(site, checkpoint);
  assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
  await vmms.removeSnapshot(checkpoint.id);
  assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
  vmms.faults.reset();
  await removed;
  assert.deepEqual(await provider.listCheckpoints(vm.id, never), []);
});
