import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  enableMerge,
  getChangedExtent,
  getCheckpoint,
  getConfiguration,
  getMerge,
  resolveCheckpoint,
  startCheckpointRemoval,
  startConversion,
  startReferencePointRemoval,
} from '../../../server/agent/hyperv/commands/index.ts';
import { guestWrite } from '../../../server/agent/simulated/index.ts';
import { checkpointId } from '../../../server/protocol/ids.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { checkpoint, conversion, errorIdOf, moduleLab, ownName } from './module-lab.ts';

for (const [returns, quirks] of [
  ['done', ''],
  ['job', ''],
  // What Windows PowerShell does with answers of WMI, and what else comes over its pipes.
  ['job', 'scalars,bare-results,oem,bom,progress,german'],
] as const) {
  test(`a checkpoint with its frozen disks, its conversion, the changes since, its removal; methods answer with ${returns} ${quirks}`, async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t, { disks: ['os', 'data'], quirks });
    const { call, finished, vm, vmms, root } = lab;
    vmms.faults.set({
      returns: Object.fromEntries(['CreateSnapshot', 'ConvertToReferencePoint'].map((method) => [method, returns])),
    });
    const first = await checkpoint(lab);
    const { checkpoints } = await call(getCheckpoint, { CheckpointId: first });
    assert.equal(checkpoints.length, 1);
    assert.deepEqual([checkpoints[0]?.vmId, checkpoints[0]?.name], [vm.id, ownName]);
    assert.deepEqual(
      checkpoints[0]?.disks.map(({ path }) => path),
      ['os', 'data'].map((name) => join(root, 'vms', 'web', `${name}.vhdx`)),
    );
    const point = await conversion(lab, first);
    assert.equal(point.vmId, vm.id);
    assert.equal(point.diskInstanceIds.length, 2);
    assert.equal(point.trackingIds.length, 2);
    assert.deepEqual((await call(getCheckpoint, {})).checkpoints, []);
    await vmms.mergesSettled();
    await guestWrite(root, 'web', 'data', { offset: 3 * MiB, from: Buffer.alloc(70_000, 'tide') });
    const second = await checkpoint(lab);
    const [frozen] = (await call(getCheckpoint, { VmId: vm.id })).checkpoints;
    const changes = await call(getChangedExtent, {
      Path: frozen?.disks[1]?.path ?? '',
      Since: point.trackingIds[1] ?? '',
      Offset: 0,
      Length: 8 * MiB,
      MaxExtents: 100,
    });
    assert.deepEqual(changes, { extents: [3 * MiB, 81_920], processedBytes: 8 * MiB });
    await finished(await call(startCheckpointRemoval, { CheckpointId: second, Unmarked: false }));
    await assert.rejects(
      call(startReferencePointRemoval, {
        ReferencePointId: point.id,
        VmId: vm.id,
        TrackingId: [...point.trackingIds.slice(1), 'x'],
      }),
      (error: unknown) => errorIdOf(error) === 'NotThisReferencePoint',
    );
    await finished(
      await call(startReferencePointRemoval, {
        ReferencePointId: point.id,
        VmId: vm.id,
        TrackingId: point.trackingIds.toReversed(),
      }),
    );
    assert.deepEqual(vmms.leftovers(), []);
  });
}

test('what a job made is found even where Hyper-V does not associate it, and is null when it could be two', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, vm, vmms } = lab;
  vmms.faults.set({ noAffectedElements: true });
  const id = await checkpoint(lab);
  const JobId = '00000000-0000-4000-8000-000000000001';
  assert.deepEqual(await call(resolveCheckpoint, { VmId: vm.id, JobId, Before: [] }), {
    checkpointId: id,
    proven: false,
  });
  assert.deepEqual(await call(resolveCheckpoint, { VmId: vm.id, JobId, Before: [id] }), {
    checkpointId: null,
    proven: false,
  });
  await vmms.paperSnapshot(vm.id, 'Microsoft:Hyper-V:Snapshot:Recovery', 'of somebody');
  assert.deepEqual(await call(resolveCheckpoint, { VmId: vm.id, JobId, Before: [] }), {
    checkpointId: null,
    proven: false,
  });
});

test('checkpoints of others are neither removed nor converted, and user checkpoints are not even found', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  const foreign = checkpointId(await vmms.foreignSnapshot(vm.id), 'id');
  const user = checkpointId(await vmms.paperSnapshot(vm.id, 'Microsoft:Hyper-V:Snapshot:Realized', ownName), 'id');
  for (const [id, reason] of [
    [foreign, 'NotOwnCheckpoint'],
    [user, 'CheckpointNotFound'],
  ] as const) {
    await assert.rejects(
      call(startConversion, { CheckpointId: id, Consistency: 'crash' }),
      (e: unknown) => errorIdOf(e) === reason,
    );
    await assert.rejects(
      call(startCheckpointRemoval, { CheckpointId: id, Unmarked: false }),
      (e: unknown) => errorIdOf(e) === reason,
    );
  }
  // Not even a slip of the agent reaches a user's checkpoint.
  await assert.rejects(
    call(startCheckpointRemoval, { CheckpointId: user, Unmarked: true }),
    (e: unknown) => errorIdOf(e) === 'CheckpointNotFound',
  );
  assert.equal(vmms.foreign().length, 2);
});

test('a checkpoint that was not named yet goes when the agent says that it made it', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const nameless = await checkpoint(lab, null);
  await assert.rejects(
    lab.call(startCheckpointRemoval, { CheckpointId: nameless, Unmarked: false }),
    (e: unknown) => errorIdOf(e) === 'NotOwnCheckpoint',
  );
  await lab.finished(await lab.call(startCheckpointRemoval, { CheckpointId: nameless, Unmarked: true }));
  assert.deepEqual(lab.vmms.leftovers(), []);
});

test('a name is kept as it is, whatever is in it', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const name = `Tidemark <"&'\u2018\u2019 ]]> \\ 🌊 ${'備'.repeat(30)} 2024-01-01T00:00:00Z`;
  const id = await checkpoint(lab, name);
  assert.equal((await lab.call(getCheckpoint, { CheckpointId: id })).checkpoints[0]?.name, name);
});

test('changes come in pages that miss nothing: limits of extents, of calls, of what Hyper-V gives at once', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, root, vmms } = lab;
  const point = await conversion(lab, await checkpoint(lab));
  await vmms.mergesSettled();
  const granule = 16_384;
  const expected: number[] = [];
  for (let at = 0; at < 100; at++) {
    const offset = at * 4 * granule;
    await guestWrite(root, 'web', 'os', { offset, from: Buffer.alloc(granule, at + 1) });
    expected.push(offset, granule);
  }
  // Two that touch: one extent.
  await guestWrite(root, 'web', 'os', { offset: 401 * granule, from: Buffer.alloc(granule, 1) });
  await guestWrite(root, 'web', 'os', { offset: 402 * granule, from: Buffer.alloc(granule, 1) });
  expected.push(401 * granule, 2 * granule);
  await checkpoint(lab);
  const [frozen] = (await call(getCheckpoint, {})).checkpoints;
  const everything = async (Length: number, MaxExtents: number): Promise<{ found: number[]; pages: number }> => {
    const found: number[] = [];
    let pages = 0;
    for (let Offset = 0; Offset < 8 * MiB;) {
      const page = await call(getChangedExtent, {
        Path: frozen?.disks[0]?.path ?? '',
        Since: point.trackingIds[0] ?? '',
        Offset,
        Length: Math.min(Length, 8 * MiB - Offset),
        MaxExtents,
      });
      assert.ok(page.extents.length <= 2 * MaxExtents);
      found.push(...page.extents);
      Offset += page.processedBytes;
      pages += 1;
    }
    return { found, pages };
  };
  for (const changedRanges of [1, 7, 1000]) {
    vmms.faults.set({ changedRanges });
    assert.deepEqual((await everything(8 * MiB, 1000)).found, expected, `${changedRanges} a call`);
  }
  vmms.faults.set({ changedRanges: 7 });
  const pages = await everything(8 * MiB, 10);
  assert.deepEqual(pages.found, expected);
  assert.ok(pages.pages >= 11);
  vmms.faults.set({ changedRanges: 1 });
  assert.ok((await everything(8 * MiB, 1000)).pages > 1, 'one command makes a bounded number of calls');
});

test('an answer about changes that cannot be right is an error, never "no changes"', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, root, vmms } = lab;
  const point = await conversion(lab, await checkpoint(lab));
  await vmms.mergesSettled();
  await guestWrite(root, 'web', 'os', { offset: 0, from: Buffer.alloc(100, 1) });
  await checkpoint(lab);
  const [frozen] = (await call(getCheckpoint, {})).checkpoints;
  const ask = (Since: string) =>
    call(getChangedExtent, { Path: frozen?.disks[0]?.path ?? '', Since, Offset: 0, Length: 8 * MiB, MaxExtents: 10 });
  const since = point.trackingIds[0] ?? '';
  assert.equal((await ask(since)).extents.length, 2);
  vmms.faults.set({ zeroProgress: true });
  await assert.rejects(ask(since), (e: unknown) => errorIdOf(e) === 'NoProgress');
  vmms.faults.reset();
  vmms.faults.set({ changeArraysDiffer: true });
  await assert.rejects(ask(since), (e: unknown) => errorIdOf(e) === 'ChangesUneven');
  vmms.faults.reset();
  vmms.faults.set({ returns: { GetVirtualDiskChanges: 'job' } });
  await assert.rejects(ask(since), (e: unknown) => errorIdOf(e) === 'ChangesAsJob');
  vmms.faults.reset();
  await assert.rejects(ask('rctX:00000000:0000:0000:0000:000000000000:00000001'));
});

test('what tells whether disks still merge, and the lock that keeps them from it', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, finished, vm, vmms, root } = lab;
  const path = join(root, 'vms', 'web', 'os.vhdx');
  assert.deepEqual(await call(getMerge, { VmId: vm.id }), {
    operation: null,
    activePaths: [path],
    snapshots: 0,
    disabled: false,
  });
  const id = await checkpoint(lab);
  const open = await call(getMerge, { VmId: vm.id });
  assert.equal(open.snapshots, 1);
  assert.match(open.activePaths[0] ?? '', /\.avhdx$/);
  vmms.faults.set({ merge: 'waits' });
  await finished(await call(startCheckpointRemoval, { CheckpointId: id, Unmarked: false }));
  assert.equal((await call(getMerge, { VmId: vm.id })).snapshots, 0);
  vmms.faults.reset();
  await finished(await call(enableMerge, { VmId: vm.id }));
  await vmms.mergesSettled();
  assert.deepEqual((await call(getMerge, { VmId: vm.id })).activePaths, [path]);
});

test('the configuration at a checkpoint: a summary, and where its files are', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const id = await checkpoint(lab);
  const configuration = await lab.call(getConfiguration, { CheckpointId: id });
  assert.equal(configuration.name, 'web');
  assert.deepEqual([configuration.subType, configuration.version], ['Microsoft:Hyper-V:SubType:2', '9.0']);
  assert.ok(configuration.processorCount >= 1 && configuration.memoryBytes >= MiB);
  assert.match(configuration.configurationFile, /\.vmcx$/);
  assert.match(configuration.guestStateFile, /\.vmgs$/);
});
