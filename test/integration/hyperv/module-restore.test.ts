import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  findPlannedVm,
  getPlannedVm,
  getVm,
  renamePlannedVm,
  resolvePlannedVm,
  startAdapterAddition,
  startConnection,
  startDefinition,
  startDisconnection,
  startDiskAddition,
  startDiskChange,
  startDiskRemoval,
  startFibreChannelRemoval,
  startPlannedRemoval,
  startRealization,
  startValidation,
} from '../../../server/agent/hyperv/commands/index.ts';
import type { VmId } from '../../../server/protocol/ids.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { errorIdOf, moduleLab } from './module-lab.ts';
import type { ModuleLab } from './module-lab.ts';

/** A planned VM that was defined anew, in a folder of its own. */
async function defined({ call, finished, directory }: ModuleLab, Generation: number): Promise<VmId> {
  const Folder = join(directory, 'restored');
  await mkdir(Folder, { recursive: true });
  const { before, outcome, created } = await call(startDefinition, {
    Name: 'new',
    Generation,
    Version: '9.0',
    ProcessorCount: 2,
    MemoryBytes: 512 * MiB,
    Folder,
  });
  await finished(outcome);
  if (outcome.state === 'done') {
    assert.ok(created !== null);
    return created;
  }
  const { vmId } = await call(resolvePlannedVm, { JobId: outcome.jobId, Before: before });
  assert.ok(vmId !== null);
  return vmId;
}

/** Copies of the disk of `web`, to be attached. */
async function copies({ root, directory }: ModuleLab, count: number): Promise<readonly string[]> {
  const paths = Array.from({ length: count }, (_, n) => join(directory, 'restored', `disk ${n} '\u2019.vhdx`));
  for (const path of paths) await copyFile(join(root, 'vms', 'web', 'os.vhdx'), path);
  return paths;
}

for (const generation of [1, 2] as const) {
  test(`a VM of generation ${generation} is defined, gets its disks and adapters, is validated and realised`, async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    const { call, finished, vm } = lab;
    const VmId = await defined(lab, generation);
    assert.deepEqual((await call(findPlannedVm, {})).vms, [{ id: VmId, name: 'new' }]);
    assert.deepEqual(
      (await call(getVm, {})).vms.map(({ id }) => id),
      [vm.id],
      'a planned VM is no VM',
    );
    const paths = await copies(lab, 6);
    await finished(await call(startDiskAddition, { VmId, Generation: generation, Path: paths }));
    const { disks } = await call(getPlannedVm, { VmId });
    assert.deepEqual(
      disks.map(({ path, controller, controllerNumber, location }) => [path, controller, controllerNumber, location]),
      paths.map((path, n) => {
        if (generation === 2) return [path, 'SCSI', 0, n];
        return n < 4 ? [path, 'IDE', Math.floor(n / 2), n % 2] : [path, 'SCSI', 0, n - 4];
      }),
    );
    await finished(
      await call(startAdapterAddition, {
        VmId,
        Adapter: [
          { name: 'first "\u2018', switchName: 'Default Switch' },
          { name: 'second', switchName: 'there is none' },
          { name: 'third', switchName: '' },
        ],
      }),
    );
    assert.equal((await call(getPlannedVm, { VmId })).adapterIds.length, 3);
    await finished(await call(startValidation, { VmId }));
    await finished(await call(startRealization, { VmId }));
    const [real] = (await call(getVm, { VmId })).vms;
    assert.equal(real?.name, 'new');
    assert.equal(real.subType, `Microsoft:Hyper-V:SubType:${generation}`);
    assert.deepEqual((await call(findPlannedVm, {})).vms, []);
  });
}

test('disks of a planned VM are changed and taken out, adapters taken off and put on; what is not its own is refused', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, finished, vm } = lab;
  const VmId = await defined(lab, 2);
  const [one = '', two = '', three = ''] = await copies(lab, 3);
  await finished(await call(startDiskAddition, { VmId, Generation: 2, Path: [one, two] }));
  const [first, second] = (await call(getPlannedVm, { VmId })).disks;
  assert.ok(first !== undefined && second !== undefined);
  await finished(await call(startDiskChange, { VmId, Disk: [{ instanceId: second.instanceId, path: three }] }));
  assert.deepEqual(
    (await call(getPlannedVm, { VmId })).disks.map(({ path }) => path),
    [one, three],
  );
  await finished(await call(startDiskRemoval, { VmId, InstanceId: [first.instanceId] }));
  assert.deepEqual(
    (await call(getPlannedVm, { VmId })).disks.map(({ path }) => path),
    [three],
  );
  const foreignDisk = (await call(getVm, { VmId: vm.id })).vms[0]?.disks[0]?.instanceId ?? '';
  const notIts = (error: unknown): boolean => errorIdOf(error) === 'DeviceNotFound';
  await assert.rejects(call(startDiskChange, { VmId, Disk: [{ instanceId: foreignDisk, path: one }] }), notIts);
  await assert.rejects(call(startDiskRemoval, { VmId, InstanceId: [foreignDisk] }), notIts);
  await finished(await call(startAdapterAddition, { VmId, Adapter: [{ name: 'lan', switchName: 'Default Switch' }] }));
  const [adapter = ''] = (await call(getPlannedVm, { VmId })).adapterIds;
  await finished(await call(startDisconnection, { VmId }));
  await finished(
    await call(startConnection, { VmId, Adapter: [{ instanceId: adapter, switchName: 'Default Switch' }] }),
  );
  assert.deepEqual(await call(startConnection, { VmId, Adapter: [{ instanceId: adapter, switchName: 'none' }] }), {
    state: 'done',
  });
  for (const args of [{ VmId, Disk: [] }] as const)
    assert.deepEqual(await call(startDiskChange, args), { state: 'done' });
  await finished(
    await call(renamePlannedVm, { VmId, Name: "it's <new> \u2019🌊", Folder: join(lab.directory, 'restored') }),
  );
  assert.deepEqual((await call(findPlannedVm, {})).vms, [{ id: VmId, name: "it's <new> \u2019🌊" }]);
  await finished(await call(startPlannedRemoval, { VmId }));
  assert.deepEqual((await call(findPlannedVm, {})).vms, []);
});

test('no function of a restore touches a real VM', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const lab = await moduleLab(t);
  const { call, vm } = lab;
  const VmId = vm.id;
  const before = await call(getVm, {});
  const refused = (error: unknown): boolean => errorIdOf(error) === 'NotPlanned';
  await assert.rejects(call(startPlannedRemoval, { VmId }), refused);
  await assert.rejects(call(startRealization, { VmId }), refused);
  await assert.rejects(call(startValidation, { VmId }), refused);
  await assert.rejects(call(startDisconnection, { VmId }), refused);
  await assert.rejects(call(startFibreChannelRemoval, { VmId }), refused);
  await assert.rejects(call(renamePlannedVm, { VmId, Name: 'x', Folder: lab.directory }), refused);
  await assert.rejects(call(startDiskChange, { VmId, Disk: [] }), refused);
  await assert.rejects(call(startDiskRemoval, { VmId, InstanceId: [] }), refused);
  await assert.rejects(call(startDiskAddition, { VmId, Generation: 2, Path: [] }), refused);
  await assert.rejects(call(startAdapterAddition, { VmId, Adapter: [] }), refused);
  await assert.rejects(call(startConnection, { VmId, Adapter: [] }), refused);
  assert.deepEqual(await call(getVm, {}), before);
});
