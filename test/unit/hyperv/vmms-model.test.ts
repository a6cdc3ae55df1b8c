import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { createVm, initHost, migrate, power } from '../../../server/agent/simulated/index.ts';
import { moveByCopy } from '../../../server/agent/simulated/migrate.ts';
import { withVm } from '../../../server/agent/simulated/store.ts';
import { object } from '../../../server/protocol/parse.ts';
import { AnsweredError, VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import { parsePathText, pathText, winePaths } from '../../support/hyperv/vmms/paths.ts';
import { keyText, vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { subTypes } from '../../support/hyperv/vmms/model/resources.ts';
import { textOf, textsOf } from '../../support/hyperv/vmms/wire.ts';
import type { Instance } from '../../support/hyperv/vmms/wire.ts';
import { MiB, never } from '../simulated/support.ts';
import {
  activePaths,
  convertSnapshot,
  finish,
  imageService,
  lab,
  managementService,
  snapshotReference,
  takeSnapshot,
} from './vmms-support.ts';

const hostile = [
  `'; Remove-Item C:\\ -Recurse #`,
  '‘’‚‛“”„"`$(x)',
  'two\nlines\r\nand\ttabs',
  '🌊👩‍👩‍👧',
  '漢'.repeat(100),
  '',
] as const;

/** The InstanceID in the path of a part's parent. */
function parentOf(part: Instance): string {
  const path = parsePathText('HV01', textOf(part, 'Parent'));
  assert(path !== undefined);
  return keyText(path, 'InstanceID');
}

const children = (client: VmmsClient, id: string): Promise<readonly Instance[]> =>
  client.associated(snapshotReference(id), 'Msvm_VirtualSystemSettingDataComponent', null);

test('VMs and snapshots may be called anything, also the same', async (t) => {
  const made = await lab(t);
  const { client, root, vm, vmms } = made;
  const other = await createVm(root, { name: 'db', disks: [{ name: 'os', sizeBytes: 8 * MiB }] });
  const snapshot = await takeSnapshot(made);
  for (const name of hostile) {
    for (const { id } of [vm, other]) await vmms.describe(id, { name });
    const systems = await client.enumerate('Msvm_ComputerSystem', [{ property: 'ElementName', value: name }]);
    assert.equal(systems.length, 2);
    const settings = await client.get(snapshotReference(snapshot));
    const SystemSettings = { ...settings, properties: { ...settings.properties, ElementName: name } };
    const { job } = await finish(client, managementService, 'ModifySystemSettings', { SystemSettings });
    assert.equal(job.properties['JobState'], 7);
    assert.equal(textOf(await client.get(snapshotReference(snapshot)), 'ElementName'), name);
  }
});

test('disks may be called what file names may be', async (t) => {
  const names = [`it's; Remove-Item #`, '‘’‚‛“”„`$(x)', '🌊', '漢'.repeat(40)];
  const made = await lab(t, { disks: names });
  const paths = await activePaths(made.client, made.vm.id);
  assert.deepEqual(
    paths,
    names.map((name) => join(made.root, 'vms', 'web', `${name}.vhdx`)),
  );
});

test('what belongs to a VM goes with it to another host, whichever way it moves', async (t) => {
  for (const way of ['rename', 'copy']) {
    const made = await lab(t);
    const { client, root, vm, vmms, directory } = made;
    await vmms.describe(vm.id, { name: 'a ‘label’', extras: ['dvd'] });
    const point = await convertSnapshot(made, await takeSnapshot(made, 1));
    await vmms.mergesSettled();
    const target = join(directory, 'hv02');
    await initHost(target, { name: 'hv02' });
    const there = await startVmms(target);
    const other = await VmmsClient.connect(there.address);
    t.after(() => {
      other.close();
      return there.close();
    });
    if (way === 'rename') await migrate(root, 'web', target);
    else
      await withVm(root, 'web', never, (locked) =>
        moveByCopy(locked, target, join(target, 'vms', 'web'), never, () => undefined),
      );
    assert.equal((await client.enumerate('Msvm_ComputerSystem')).length, 1, 'only the host is left');
    assert.equal(textOf(await other.get(vmReference(vm.id)), 'ElementName'), 'a ‘label’');
    assert.deepEqual(await other.enumerate('Msvm_VirtualSystemReferencePoint'), [point]);
  }
});

test('the hardware of a VM of generation 1: IDE controllers have an address, SCSI ones have none; each hangs on its parent', async (t) => {
  const { client, vm } = await lab(t, { generation: 1, disks: ['a', 'b', 'c'] });
  const parts = await children(client, `Microsoft:${vm.id}`);
  const byId = new Map(parts.map((part) => [textOf(part, 'InstanceID'), part]));
  const ofType = (subType: string) => parts.filter((part) => textOf(part, 'ResourceSubType') === subType);
  assert.deepEqual(
    ofType(subTypes.ide).map((part) => part.properties['Address']),
    ['0', '1'],
  );
  assert.deepEqual(
    ofType(subTypes.scsi).map((part) => part.properties['Address']),
    [undefined],
  );
  const places = ofType(subTypes.virtualDisk).map((disk) => {
    assert.match(
      textOf(disk, 'Parent'),
      /^\\\\HV01\\root\\virtualization\\v2:Msvm_ResourceAllocationSettingData\.InstanceID="Microsoft:[^"]+\\\\[^"]+\\\\D"$/,
    );
    const drive = byId.get(parentOf(disk));
    assert(drive !== undefined);
    const controller = byId.get(parentOf(drive));
    assert(controller !== undefined);
    return `${textOf(controller, 'ElementName')}:${textOf(drive, 'AddressOnParent')}`;
  });
  assert.deepEqual(places, ['IDE Controller 0:0', 'IDE Controller 0:1', 'SCSI Controller:0']);
});

test('hardware that cannot be backed up is shown, and refuses a snapshot unless it may be ignored', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  await vmms.describe(vm.id, { extras: ['physical-disk', 'fibre-channel', 'shared-disk', 'dvd', 'vhd-set', 'vhd'] });
  const parts = await children(client, `Microsoft:${vm.id}`);
  const shown = new Set(parts.map((part) => textOf(part, 'ResourceSubType')));
  for (const subType of [subTypes.physicalDrive, subTypes.fibreChannel, subTypes.dvdDrive])
    assert.ok(shown.has(subType));
  const disks = parts.filter((part) => part.className === 'Msvm_StorageAllocationSettingData');
  assert.equal(disks.filter((disk) => disk.properties['PersistentReservationsSupported'] === true).length, 2);
  assert.ok(disks.some((disk) => textsOf(disk, 'HostResource')[0]?.endsWith('.vhds')));
  const settings = (ignores: boolean) => ({
    className: 'Msvm_VirtualSystemSnapshotSettingData',
    properties: { ConsistencyLevel: 2, IgnoreNonSnapshottableDisks: ignores },
  });
  for (const ignores of [false, true]) {
    const { job } = await finish(client, 'Msvm_VirtualSystemSnapshotService', 'CreateSnapshot', {
      AffectedSystem: vmReference(vm.id),
      SnapshotSettings: settings(ignores),
      SnapshotType: 32_768,
    });
    assert.equal(job.properties['JobState'], ignores ? 7 : 10);
  }
});

test('states are told in both families of numbers, and can be any', async (t) => {
  const { client, root, vm, vmms } = await lab(t);
  const state = async () => (await client.get(vmReference(vm.id))).properties['EnabledState'];
  assert.equal(await state(), 2);
  await power(root, 'web', 'off');
  assert.equal(await state(), 3);
  await vmms.describe(vm.id, {
    enabledState: 32_781,
    healthState: 20,
    operationalStatus: [5, 32_774],
    replicationMode: 2,
  });
  const { properties } = await client.get(vmReference(vm.id));
  assert.deepEqual(
    [
      properties['EnabledState'],
      properties['HealthState'],
      properties['OperationalStatus'],
      properties['ReplicationMode'],
    ],
    [32_781, 20, [5, 32_774], 2],
  );
});

test('Server 2016 lacks what it lacks, in what it says and in what it gives', async (t) => {
  const made = await lab(t, { build: 14_393 });
  const text = (input: unknown) => JSON.stringify(input);
  const { hidden } = await made.client.ask({ op: 'build' }, object({ hidden: text }));
  for (const name of ['SnapshotSettingData.GuestBackupType', 'ExportSettingData.ExcludedVirtualHardDisks']) {
    assert.ok(hidden.includes(name));
  }
  for (const settings of await made.client.enumerate('Msvm_VirtualSystemSettingData')) {
    assert.ok(!('GuestStateFile' in settings.properties));
  }
  const { returnValue } = await made.client.invoke('Msvm_VirtualSystemSnapshotService', 'CreateSnapshot', {
    AffectedSystem: vmReference(made.vm.id),
    SnapshotSettings: {
      className: 'Msvm_VirtualSystemSnapshotSettingData',
      properties: { ConsistencyLevel: 2, GuestBackupType: 1 },
    },
    SnapshotType: 32_768,
  });
  assert.equal(returnValue, 32_773);
});

test('under Wine paths are those of drive Z, in both directions; paths of objects are not touched', async (t) => {
  const made = await lab(t, { vmms: { paths: 'wine' } });
  const { client, vm, root } = made;
  const [path = ''] = await activePaths(client, vm.id);
  assert.equal(path, `Z:${join(root, 'vms', 'web', 'os.vhdx').replaceAll('/', '\\')}`);
  const { returnValue, out } = await client.invoke(imageService, 'GetVirtualHardDiskSettingData', { Path: path });
  assert.equal(returnValue, 0);
  assert.ok(JSON.stringify(out).includes(JSON.stringify(path)));
  const settings = await client.get(snapshotReference(`Microsoft:${vm.id}`));
  assert.match(textOf(settings, 'ConfigurationFile'), /^Virtual Machines\\[^/]+\.vmcx$/);
  const connection = (await children(client, `Microsoft:${vm.id}`)).find(
    (part) => part.className === 'Msvm_EthernetPortAllocationSettingData',
  );
  assert(connection !== undefined);
  assert.match(textsOf(connection, 'HostResource')[0] ?? '', /^\\\\HV01\\root\\virtualization\\v2:/);
  assert.equal(winePaths.fromWire(winePaths.toWire('/a b/c')), '/a b/c');
});

test('an object path survives being written and read, whatever the keys hold', () => {
  const keys = { InstanceID: 'Microsoft:A\\B\\0\\"quoted", \\L', VirtualSystemIdentifier: 'x,y="z"' };
  const reference = { className: 'Msvm_VirtualSystemReferencePoint', keys };
  assert.deepEqual(parsePathText('HV01', pathText('HV01', reference)), reference);
  assert.equal(parsePathText('HV02', pathText('HV01', reference)), undefined);
  for (const text of ['', 'Msvm_X', '\\\\HV01\\root\\cimv2:A.B="1"', `${pathText('HV01', reference)}x`]) {
    assert.equal(parsePathText('HV01', text), undefined);
  }
});

test('a snapshot has configuration files of its own, and they go with it', async (t) => {
  const made = await lab(t);
  const snapshot = await takeSnapshot(made);
  const settings = await made.client.get(snapshotReference(snapshot));
  const file = join(textOf(settings, 'ConfigurationDataRoot'), textOf(settings, 'ConfigurationFile'));
  await assert.rejects(mkdir(file), { code: 'EEXIST' });
  await convertSnapshot(made, snapshot);
  await mkdir(file);
});

test('unknown classes, namespaces and objects are refused as WMI refuses them', async (t) => {
  const { client } = await lab(t);
  const refusal = (hresult: string) => (error: unknown) => error instanceof AnsweredError && error.hresult === hresult;
  await assert.rejects(client.enumerate('Msvm_Nothing'), refusal('0x80041010'));
  await assert.rejects(client.enumerate('Msvm_ComputerSystem', [], 'root/other'), refusal('0x8004100E'));
  await assert.rejects(client.get(vmReference('11111111-2222-3333-4444-555555555555')), refusal('0x80041002'));
  await assert.rejects(client.associated(snapshotReference('Microsoft:none'), null, null), refusal('0x80041002'));
  await assert.rejects(client.invoke(imageService, 'Nothing', {}), refusal('0x80041055'));
  const [system] = await client.enumerate('Win32_OperatingSystem', [], 'root/cimv2');
  assert.equal(system?.properties['BuildNumber'], '20348');
});
