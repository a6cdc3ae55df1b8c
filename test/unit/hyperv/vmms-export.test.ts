import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { guestWrite, power } from '../../../server/agent/simulated/index.ts';
import { openVirtualDisk, readVhdxInfo } from '../../../server/vhdx/index.ts';
import { pathText } from '../../support/hyperv/vmms/paths.ts';
import { jobOf } from '../../support/hyperv/vmms/client.ts';
import { vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { textOf } from '../../support/hyperv/vmms/wire.ts';
import type { Instance, Value } from '../../support/hyperv/vmms/wire.ts';
import { MiB } from '../simulated/support.ts';
import {
  activePaths,
  convertSnapshot,
  ended,
  finish,
  lab,
  managementService,
  pointReference,
  snapshotReference,
  takeSnapshot,
} from './vmms-support.ts';
import type { Lab } from './vmms-support.ts';

const exportOf = (made: Lab, directory: string, settings: Readonly<Record<string, Value>>) => ({
  ComputerSystem: vmReference(made.vm.id),
  ExportDirectory: directory,
  ExportSettingData: {
    className: 'Msvm_VirtualSystemExportSettingData',
    properties: { CopySnapshotConfiguration: 3, CreateVmExportSubdirectory: false, CopyVmStorage: true, ...settings },
  },
});

/** Exports, and gives the ended job. */
const exported = async (made: Lab, directory: string, settings: Readonly<Record<string, Value>>): Promise<Instance> =>
  (await finish(made.client, managementService, 'ExportSystemDefinition', exportOf(made, directory, settings))).job;

const snapshotPath = (id: string): string => pathText('HV01', snapshotReference(id));

async function content(path: string): Promise<Buffer> {
  await using disk = await openVirtualDisk(path);
  const bytes = Buffer.alloc(disk.sizeBytes);
  await disk.read(bytes, 0);
  return bytes;
}

test('a full export has the configuration and the frozen disks; a second one into the same folder is refused', async (t) => {
  const made = await lab(t, { disks: ['os', 'data'] });
  await guestWrite(made.root, 'web', 'data', { offset: MiB, from: Buffer.alloc(5000, 'frozen') });
  const snapshot = await takeSnapshot(made);
  const before = await content(join(made.root, 'vms', 'web', 'data.vhdx'));
  await guestWrite(made.root, 'web', 'data', { offset: MiB, from: Buffer.alloc(5000, 'later') });
  const directory = join(made.directory, 'export');
  const settings = { SnapshotVirtualSystem: snapshotPath(snapshot) };
  const job = await exported(made, directory, settings);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  const names = ['vmcx', 'vmgs', 'vmrs'].map((extension) => `${made.vm.id}.${extension}`);
  assert.deepEqual((await readdir(join(directory, 'Virtual Machines'))).sort(), names);
  assert.deepEqual((await readdir(join(directory, 'Virtual Hard Disks'))).sort(), ['data.vhdx', 'os.vhdx']);
  assert.ok((await content(join(directory, 'Virtual Hard Disks', 'data.vhdx'))).equals(before));
  assert.match(textOf(await exported(made, directory, settings), 'ErrorDescription'), /0x80070050/);
});

test('a differential export holds what changed since the reference point, over what is frozen', async (t) => {
  const made = await lab(t);
  const base = await convertSnapshot(made, await takeSnapshot(made));
  await made.vmms.mergesSettled();
  await guestWrite(made.root, 'web', 'os', { offset: 2 * MiB, from: Buffer.alloc(30_000, 'new') });
  const snapshot = await takeSnapshot(made);
  const directory = join(made.directory, 'export');
  const job = await exported(made, directory, {
    SnapshotVirtualSystem: snapshotPath(snapshot),
    DifferentialBackupBase: pathText('HV01', pointReference(base)),
  });
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  const file = join(directory, 'Virtual Hard Disks', 'os.vhdx');
  assert.equal((await readVhdxInfo(file)).type, 'differencing');
  assert.ok((await content(file)).equals(await content(join(made.root, 'vms', 'web', 'os.vhdx'))));
});

test('disks are left out by the InstanceID of their place; one that is not valid, and Server 2016, refuse', async (t) => {
  const made = await lab(t, { disks: ['os', 'data'] });
  const snapshot = await takeSnapshot(made);
  const settings = { SnapshotVirtualSystem: snapshotPath(snapshot) };
  const [, data] = await made.client.associated(snapshotReference(snapshot), null, 'Msvm_StorageAllocationSettingData');
  assert(data !== undefined);
  const directory = join(made.directory, 'export');
  const excluded = { ...settings, ExcludedVirtualHardDisks: [textOf(data, 'InstanceID')] };
  const job = await exported(made, directory, excluded);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  assert.deepEqual(await readdir(join(directory, 'Virtual Hard Disks')), ['os.vhdx']);
  const ask = async (more: Readonly<Record<string, Value>>): Promise<number> =>
    (
      await made.client.invoke(
        managementService,
        'ExportSystemDefinition',
        exportOf(made, `${directory}2`, { ...settings, ...more }),
      )
    ).returnValue;
  assert.equal(await ask({ ExcludedVirtualHardDisks: ['Microsoft:none'] }), 32_773);
  assert.equal(
    await ask({ CopySnapshotConfiguration: 0, ExcludedVirtualHardDisks: [textOf(data, 'InstanceID')] }),
    32_773,
  );
  assert.equal(await ask({ CopySnapshotConfiguration: 4 }), 32_773);
  assert.equal(await ask({ SnapshotVirtualSystem: null }), 32_773);
  assert.equal(await ask({ SnapshotVirtualSystem: snapshotPath('Microsoft:none') }), 32_773);
  assert.equal(await ask({ DifferentialBackupBase: snapshotPath('Microsoft:none') }), 32_773);
  assert.ok(!existsSync(`${directory}2`));

  const old = await lab(t, { build: 14_393 });
  const [file] = await old.client.associated(
    snapshotReference(`Microsoft:${old.vm.id}`),
    null,
    'Msvm_StorageAllocationSettingData',
  );
  assert(file !== undefined);
  const refused = await old.client.invoke(
    managementService,
    'ExportSystemDefinition',
    exportOf(old, directory, { CopySnapshotConfiguration: 1, ExcludedVirtualHardDisks: [textOf(file, 'InstanceID')] }),
  );
  assert.equal(refused.returnValue, 32_773);
});

test('an export without the disks keeps them from merging, until that is undone, VMMS restarts or the VM is switched off', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  const stateOf = async (): Promise<Instance> => {
    const [settings] = await client.enumerate('Msvm_DiskMergeSettingData');
    assert(settings !== undefined);
    return settings;
  };
  for (const undo of ['enable', 'restart', 'power']) {
    const snapshot = await takeSnapshot(made);
    const settings = { SnapshotVirtualSystem: snapshotPath(snapshot), CopyVmStorage: false };
    await exported(made, join(made.directory, undo), settings);
    assert.equal((await stateOf()).properties['EnabledState'], 0);
    await convertSnapshot(made, snapshot);
    await vmms.mergesSettled();
    assert.match((await activePaths(client, vm.id))[0] ?? '', /\.avhdx$/);
    assert.deepEqual((await client.get(vmReference(vm.id))).properties['OperationalStatus'], [2], 'nothing merges');
    if (undo === 'restart') {
      await vmms.restart();
      vmms.faults.reset();
    } else if (undo === 'power') {
      await power(made.root, 'web', 'off');
      await stateOf();
    } else {
      const enabled = await stateOf();
      const SettingData = { ...enabled, properties: { ...enabled.properties, EnabledState: 1 } };
      await finish(client, managementService, 'ModifyDiskMergeSettings', { SettingData });
    }
    await vmms.mergesSettled();
    assert.equal((await stateOf()).properties['EnabledState'], 1);
    assert.match((await activePaths(client, vm.id))[0] ?? '', /os\.vhdx$/);
  }
});

test('the live VM can be exported, into a folder of its name; a cancelled export leaves nothing', async (t) => {
  const made = await lab(t);
  const directory = join(made.directory, 'export');
  await mkdir(directory);
  const live = { CopySnapshotConfiguration: 1, CreateVmExportSubdirectory: true };
  const job = await exported(made, directory, live);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  assert.ok(existsSync(join(directory, 'web', 'Virtual Hard Disks', 'os.vhdx')));
  made.vmms.faults.set({ stuckJobs: ['ExportSystemDefinition'] });
  const other = join(made.directory, 'other');
  const { out } = await made.client.invoke(managementService, 'ExportSystemDefinition', exportOf(made, other, live));
  const reference = jobOf(out);
  const stopped = await made.client.invoke(reference, 'RequestStateChange', { RequestedState: 4, TimeoutPeriod: null });
  assert.equal(stopped.returnValue, 0);
  assert.equal((await ended(made.client, reference)).properties['JobState'], 8);
  assert.ok(!existsSync(other));
});
