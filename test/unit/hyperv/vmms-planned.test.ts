import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { exportRaw, guestWrite } from '../../../server/agent/simulated/index.ts';
import { copySparse } from '../../../server/agent/simulated/disk-copy.ts';
import { pathText } from '../../support/hyperv/vmms/paths.ts';
import { subTypes } from '../../support/hyperv/vmms/model/resources.ts';
import { plannedReference } from '../../support/hyperv/vmms/model/planned.ts';
import { referenceTo, vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import { textOf, textsOf } from '../../support/hyperv/vmms/wire.ts';
import type { Instance, Value } from '../../support/hyperv/vmms/wire.ts';
import { jobOf, VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { MiB } from '../simulated/support.ts';
import { ended, finish, lab, managementService, snapshotReference, takeSnapshot } from './vmms-support.ts';
import type { Lab } from './vmms-support.ts';

const connection = 'Msvm_EthernetPortAllocationSettingData';
const storage = 'Msvm_StorageAllocationSettingData';

const changed = (instance: Instance, properties: Readonly<Record<string, Value>>): Instance => ({
  className: instance.className,
  properties: { ...instance.properties, ...properties },
});

/** The definition of a snapshot of `web`, and copies of its frozen disks, in a folder as a restore makes it. */
async function restoredFiles(made: Lab) {
  const snapshot = await takeSnapshot(made);
  const settings = await made.client.get(snapshotReference(snapshot));
  const folder = join(made.directory, 'restore');
  await mkdir(folder);
  const definition = join(folder, 'web.vmcx');
  await copySparse(join(textOf(settings, 'ConfigurationDataRoot'), textOf(settings, 'ConfigurationFile')), definition);
  const disk = join(folder, 'os.vhdx');
  await copySparse(join(made.root, 'vms', 'web', 'os.vhdx'), disk);
  await finish(made.client, 'Msvm_VirtualSystemSnapshotService', 'DestroySnapshot', {
    AffectedSnapshot: snapshotReference(snapshot),
  });
  await made.vmms.mergesSettled();
  return { definition, disk };
}

async function importedVm({ client }: Pick<Lab, 'client'>, definition: string, newId: boolean): Promise<string> {
  const given = { SystemDefinitionFile: definition, SnapshotFolder: '', GenerateNewSystemIdentifier: newId };
  const { job, reference } = await finish(client, managementService, 'ImportSystemDefinition', given);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  const [planned] = await client.associated(reference, 'Msvm_AffectedJobElement', 'Msvm_PlannedComputerSystem');
  assert(planned !== undefined);
  return textOf(planned, 'Name');
}

const partsOf = ({ client }: Pick<Lab, 'client'>, id: string, className: string): Promise<readonly Instance[]> =>
  client.associated(snapshotReference(`Microsoft:${id}`), 'Msvm_VirtualSystemSettingDataComponent', className);

test('a VM is imported as a copy, given its files and its name, and realised: it is there, off, with the bytes', async (t) => {
  const made = await lab(t);
  const { client, root, directory, vm } = made;
  await guestWrite(root, 'web', 'os', { offset: 3 * MiB, from: Buffer.alloc(100_000, 'tide') });
  const { definition, disk } = await restoredFiles(made);
  const id = await importedVm(made, definition, true);
  assert.notEqual(id, vm.id);
  assert.ok(!(await client.enumerate('Msvm_ComputerSystem')).some((system) => textOf(system, 'Name') === id));
  const [settings] = await client.associated(plannedReference(id), 'Msvm_SettingsDefineState', null);
  assert(settings !== undefined);
  assert.equal(textOf(settings, 'VirtualSystemType'), 'Microsoft:Hyper-V:System:Planned');

  const invalid = await finish(client, managementService, 'ValidatePlannedSystem', {
    PlannedSystem: plannedReference(id),
  });
  assert.equal(invalid.job.properties['JobState'], 10);
  assert.match(textOf(invalid.job, 'ErrorDescription'), /os\.vhdx' belongs to the virtual machine 'web'/);

  const [file] = await partsOf(made, id, storage);
  assert(file !== undefined);
  await finish(client, managementService, 'ModifyResourceSettings', {
    ResourceSettings: [changed(file, { HostResource: [disk] })],
  });
  const [network] = await partsOf(made, id, connection);
  assert(network !== undefined);
  await finish(client, managementService, 'ModifyResourceSettings', {
    ResourceSettings: [changed(network, { HostResource: [], EnabledState: 3 })],
  });
  const label = `'; Remove-Item C:\\ -Recurse #\n‘“🌊`;
  await finish(client, managementService, 'ModifySystemSettings', {
    SystemSettings: changed(settings, { ElementName: label }),
  });
  for (const method of ['ValidatePlannedSystem', 'RealizePlannedSystem']) {
    const { job } = await finish(client, managementService, method, { PlannedSystem: plannedReference(id) });
    assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  }
  const system = await client.get(vmReference(id));
  assert.deepEqual([textOf(system, 'ElementName'), system.properties['EnabledState']], [label, 3]);
  assert.deepEqual(await client.enumerate('Msvm_PlannedComputerSystem'), []);
  assert.ok(!existsSync(disk), 'the file is the VM’s now');
  const [port] = await partsOf(made, id, connection);
  assert.deepEqual([port?.properties['HostResource'], port?.properties['EnabledState']], [[], 3]);
  const raw = [join(directory, 'a.raw'), join(directory, 'b.raw')] as const;
  await exportRaw(root, 'web', 'os', raw[0]);
  await exportRaw(root, id, 'os', raw[1]);
  assert.ok((await readFile(raw[0])).equals(await readFile(raw[1])));
});

test('a VM with the same id cannot be imported beside the original; a planned VM can be destroyed and outlives VMMS', async (t) => {
  const made = await lab(t);
  const { client, root, vm, vmms } = made;
  const { definition } = await restoredFiles(made);
  const given = { SystemDefinitionFile: definition, SnapshotFolder: null, GenerateNewSystemIdentifier: false };
  const { job } = await finish(client, managementService, 'ImportSystemDefinition', given);
  assert.equal(job.properties['JobState'], 10);
  assert.match(textOf(job, 'ErrorDescription'), /0x800700B7/);
  const id = await importedVm(made, definition, true);
  await vmms.close();
  const again = await startVmms(root);
  t.after(() => again.close());
  const other = await VmmsClient.connect(again.address);
  assert.equal((await other.enumerate('Msvm_PlannedComputerSystem')).length, 1);
  await finish(other, managementService, 'DestroySystem', { AffectedSystem: plannedReference(id) });
  assert.deepEqual(await other.enumerate('Msvm_PlannedComputerSystem'), []);
  const refused = await other.invoke(managementService, 'DestroySystem', { AffectedSystem: vmReference(vm.id) });
  assert.equal(refused.returnValue, 32_775, 'a real VM stays');
  other.close();
});

test('what is no definition cannot be imported', async (t) => {
  const { client, directory } = await lab(t);
  const path = join(directory, 'other.vmcx');
  for (const [content, hresult] of [
    [undefined, '0x80070002'],
    ['{"simulated":true}', '0x80070057'],
  ] as const) {
    if (content !== undefined) await writeFile(path, content);
    const given = { SystemDefinitionFile: path, SnapshotFolder: '', GenerateNewSystemIdentifier: true };
    const { job } = await finish(client, managementService, 'ImportSystemDefinition', given);
    assert.ok(textOf(job, 'ErrorDescription').includes(hresult), textOf(job, 'ErrorDescription'));
  }
});

/** A template for a new resource, with some values of its own. */
async function template(
  client: VmmsClient,
  className: string,
  subType: string,
  values: Readonly<Record<string, Value>>,
) {
  const found = await client.enumerate(className, [{ property: 'ResourceSubType', value: subType }]);
  const [first] = found.filter((entry) => textOf(entry, 'InstanceID').endsWith('\\Default'));
  assert(first !== undefined, `there is a template of ${subType}`);
  return changed(first, values);
}

test('a VM is defined anew, with a controller, a drive, a disk and a connected adapter, and realised', async (t) => {
  const made = await lab(t);
  const { client, directory } = made;
  const { disk } = await restoredFiles(made);
  const rasd = 'Msvm_ResourceAllocationSettingData';
  const processor = await template(client, 'Msvm_ProcessorSettingData', subTypes.processor, { VirtualQuantity: '3' });
  const { reference } = await finish(client, managementService, 'DefinePlannedSystem', {
    SystemSettings: {
      className: 'Msvm_VirtualSystemSettingData',
      properties: {
        ElementName: 'anew',
        VirtualSystemSubType: 'Microsoft:Hyper-V:SubType:2',
        ConfigurationDataRoot: directory,
      },
    },
    ResourceSettings: [processor],
    ReferenceConfiguration: null,
  });
  const [planned] = await client.associated(reference, null, 'Msvm_PlannedComputerSystem');
  assert(planned !== undefined);
  const id = textOf(planned, 'Name');
  const add = async (resource: Instance): Promise<Instance> => {
    const added = await finish(client, managementService, 'AddResourceSettings', {
      AffectedConfiguration: snapshotReference(`Microsoft:${id}`),
      ResourceSettings: [resource],
    });
    assert.equal(added.job.properties['JobState'], 7);
    const [instance] = await client.associated(added.reference, null, resource.className);
    assert(instance !== undefined);
    return instance;
  };
  const path = (instance: Instance): string => pathText('HV01', referenceTo(instance));
  const controller = await add(await template(client, rasd, subTypes.scsi, {}));
  const place = { Parent: path(controller), AddressOnParent: '0' };
  const drive = await add(await template(client, rasd, subTypes.diskDrive, place));
  const taken = await client.invoke(managementService, 'AddResourceSettings', {
    AffectedConfiguration: snapshotReference(`Microsoft:${id}`),
    ResourceSettings: [await template(client, rasd, subTypes.diskDrive, place)],
  });
  assert.equal(taken.returnValue, 32_773, 'the place is taken');
  const file = await add(
    await template(client, storage, subTypes.virtualDisk, { Parent: path(drive), HostResource: [disk] }),
  );
  const lonely = await client.invoke(managementService, 'RemoveResourceSettings', {
    ResourceSettings: [referenceTo(drive)],
  });
  assert.equal(lonely.returnValue, 32_775, 'a disk is still in the drive');
  assert.match(textOf(file, 'InstanceID'), /\\0\\0\\L$/);
  const port = await add(
    await template(client, 'Msvm_SyntheticEthernetPortSettingData', subTypes.ethernetPort, { ElementName: 'LAN' }),
  );
  const [virtualSwitch] = await client.enumerate('Msvm_VirtualEthernetSwitch');
  assert(virtualSwitch !== undefined);
  const connected = { Parent: path(port), HostResource: [path(virtualSwitch)] };
  await add(await template(client, connection, subTypes.connection, connected));
  await finish(client, managementService, 'RealizePlannedSystem', { PlannedSystem: plannedReference(id) });
  const [processors] = await partsOf(made, id, 'Msvm_ProcessorSettingData');
  assert.equal(processors?.properties['VirtualQuantity'], '3');
  const [realFile] = await partsOf(made, id, storage);
  assert(realFile !== undefined);
  assert.deepEqual(textsOf(realFile, 'HostResource'), [join(made.root, 'vms', 'anew', 'os.vhdx')]);
  const [realPort] = await partsOf(made, id, connection);
  assert.equal(realPort?.properties['LastKnownSwitchName'], 'Default Switch');
});

test('a planned VM stays when it cannot be realised, and its files are where they were', async (t) => {
  const made = await lab(t);
  const { client } = made;
  const { definition, disk } = await restoredFiles(made);
  const id = await importedVm(made, definition, true);
  const [file] = await partsOf(made, id, storage);
  assert(file !== undefined);
  await finish(client, managementService, 'ModifyResourceSettings', {
    ResourceSettings: [changed(file, { HostResource: [`${disk}.missing.vhdx`] })],
  });
  const { out } = await client.invoke(managementService, 'RealizePlannedSystem', {
    PlannedSystem: plannedReference(id),
  });
  const job = await ended(client, jobOf(out));
  assert.equal(job.properties['JobState'], 10);
  assert.equal((await client.enumerate('Msvm_PlannedComputerSystem')).length, 1);
  assert.ok(existsSync(disk));
});
