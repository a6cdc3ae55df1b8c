import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  enableMerge,
  getCheckpoint,
  getMerge,
  getPlannedVm,
  resolvePlannedVm,
  startExport,
  startImport,
  startPlannedRemoval,
} from '../../../server/agent/hyperv/commands/index.ts';
import { guestWrite } from '../../../server/agent/simulated/index.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { checkpoint, conversion, errorIdOf, moduleLab } from './module-lab.ts';

test('an export into a folder, full, differential, without a disk, and of the configuration alone, which locks merging', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t, { disks: ['os', 'data'] });
  const { call, finished, vm, vmms, root, directory } = lab;
  const point = await conversion(lab, await checkpoint(lab));
  await vmms.mergesSettled();
  await guestWrite(root, 'web', 'os', { offset: MiB, from: Buffer.alloc(100_000, 7) });
  const id = await checkpoint(lab);
  const disks = (await call(getCheckpoint, { CheckpointId: id })).checkpoints[0]?.disks ?? [];
  const exported = async (name: string, more: object, CopyStorage: boolean): Promise<readonly string[]> => {
    const Directory = join(directory, name);
    await mkdir(Directory);
    await finished(await call(startExport, { CheckpointId: id, Directory, CopyStorage, ...more }));
    return (await readdir(Directory, { recursive: true }))
      .filter((file) => /\.(vhdx|avhdx|vmcx)$/.test(file))
      .toSorted();
  };
  const count = (files: readonly string[], pattern: RegExp): number =>
    files.filter((file) => pattern.test(file)).length;
  const full = await exported("full \u2019'", {}, true);
  assert.deepEqual([count(full, /vhdx$/), count(full, /vmcx$/)], [2, 1]);
  assert.equal(count(await exported('differential', { BaseReferencePointId: point.id }, true), /vhdx$/), 2);
  const [, data] = disks;
  assert.ok(data !== undefined);
  assert.equal(count(await exported('one', { ExcludedDisk: [data.instanceId] }, true), /vhdx$/), 1);
  assert.equal((await call(getMerge, { VmId: vm.id })).disabled, false);
  const alone = await exported('configuration', {}, false);
  assert.deepEqual([count(alone, /vhdx$/), count(alone, /vmcx$/)], [0, 1]);
  assert.equal((await call(getMerge, { VmId: vm.id })).disabled, true);
  await finished(await call(enableMerge, { VmId: vm.id }));
  assert.equal((await call(getMerge, { VmId: vm.id })).disabled, false);
  const DefinitionFile = join(directory, "full \u2019'", full.find((file) => file.endsWith('.vmcx')) ?? '');
  const imported = await call(startImport, { DefinitionFile, SnapshotFolder: '', NewId: true });
  await finished(imported.outcome);
  assert.ok(imported.outcome.state === 'started');
  const { vmId } = await call(resolvePlannedVm, { JobId: imported.outcome.jobId, Before: imported.before });
  assert.ok(vmId !== null && vmId !== vm.id);
  assert.equal((await call(getPlannedVm, { VmId: vmId })).disks.length, 2);
  await finished(await call(startPlannedRemoval, { VmId: vmId }));
});

test('Server 2016 has no kind of guest backup to set, and cannot leave disks out of an export', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t, { build: 14_393 });
  const CheckpointId = await checkpoint(lab);
  await assert.rejects(
    lab.call(startExport, { CheckpointId, Directory: lab.directory, ExcludedDisk: ['x'], CopyStorage: true }),
    (e: unknown) => errorIdOf(e) === 'ExclusionNotSupported',
  );
});
