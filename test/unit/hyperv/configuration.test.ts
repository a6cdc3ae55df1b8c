import assert from 'node:assert/strict';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { CheckpointConfiguration } from '../../../server/agent/hyperv/commands/index.ts';
import { gatherConfiguration } from '../../../server/agent/hyperv/exports/configuration.ts';
import { vmConfiguration } from '../../../server/protocol/model.ts';
import { code, MiB, scratch } from '../vhdx/support.ts';
import { attachedDisk, someDiskId } from './support/disks.ts';

const found = (root: string, options: Partial<CheckpointConfiguration> = {}): CheckpointConfiguration => ({
  name: 'sql01',
  subType: 'Microsoft:Hyper-V:SubType:1',
  version: '9.0',
  processorCount: 2,
  memoryBytes: 1024,
  adapters: [],
  configurationRoot: root,
  configurationFile: join('Snapshots', 'ABC.vmcx'),
  guestStateRoot: root,
  guestStateFile: join('Snapshots', 'ABC.vmgs'),
  ...options,
});

const names = (configuration: { readonly files: readonly { readonly name: string }[] }): readonly string[] =>
  configuration.files.map(({ name }) => name);

test('the files of the checkpoint are taken, each once, and no others', async (t) => {
  const root = await scratch(t);
  const folder = join(root, 'Snapshots');
  await mkdir(join(folder, 'ABC.vmrs.vmcx'), { recursive: true });
  for (const name of ['ABC.vmcx', 'abc.VMRS', 'ABC.vmgs', 'ABC.txt', 'ABCD.vmcx', 'other.vmcx']) {
    await writeFile(join(folder, name), name);
  }
  await symlink('/etc/hostname', join(folder, 'Abc.vmgs'));
  const { configuration, warnings } = await gatherConfiguration(found(root), []);
  assert.deepEqual(names(configuration).toSorted(), ['ABC.vmcx', 'ABC.vmgs', 'abc.VMRS']);
  assert.deepEqual(warnings, []);
});

test('a saved state that is too large is left out, and the warning says what that means', async (t) => {
  const root = await scratch(t);
  const folder = join(root, 'Snapshots');
  await mkdir(folder);
  await writeFile(join(folder, 'ABC.vmcx'), 'the definition');
  await writeFile(join(folder, 'ABC.vmrs'), '');
  await truncate(join(folder, 'ABC.vmrs'), 5 * 1024 * MiB);
  const { configuration, warnings } = await gatherConfiguration(found(root, { guestStateFile: '' }), []);
  assert.deepEqual(names(configuration), ['ABC.vmcx']);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /abc\.vmrs is left out: with 5.* it is too large\. .*as after a power failure/);
});

test('all files together stay below what one message carries', async (t) => {
  const root = await scratch(t);
  const folder = join(root, 'Snapshots');
  await mkdir(folder);
  for (const extension of ['vmcx', 'vmgs', 'vmrs']) {
    await writeFile(join(folder, `ABC.${extension}`), Buffer.alloc(14 * MiB, 1));
  }
  const { configuration, warnings } = await gatherConfiguration(found(root), []);
  assert.deepEqual(names(configuration), ['ABC.vmcx', 'ABC.vmgs']);
  assert.equal(warnings.length, 1);
  assert.deepEqual(vmConfiguration(configuration, 'configuration'), configuration);
});

test('a configuration that cannot be had is a warning, for the disks are worth more', async (t) => {
  const root = await scratch(t);
  const gone = await gatherConfiguration(found(root), []);
  assert.deepEqual(gone.configuration.files, []);
  assert.match(gone.warnings.join('\n'), /abc\.vmcx is left out: it cannot be read\. A restore makes the VM anew/);
  assert.match(gone.warnings.join('\n'), /BitLocker/);
  await mkdir(join(root, 'Snapshots'));
  const empty = await gatherConfiguration(found(root, { guestStateFile: '' }), []);
  assert.match(empty.warnings.join('\n'), /was not found\. A restore makes the VM anew/);
  const none = await gatherConfiguration(found(root, { configurationFile: '', guestStateFile: '' }), []);
  assert.equal(none.warnings.length, 1);
});

test('a configuration file outside the folder of the VM is not read', async (t) => {
  const root = await scratch(t);
  for (const configurationFile of [join('..', 'ABC.vmcx'), '/etc/ABC.vmcx', join('Snapshots', 'ABC.txt')]) {
    await assert.rejects(gatherConfiguration(found(root, { configurationFile }), []), code('hostStateInvalid'));
  }
});

test('whatever names people chose, the summary is one that the protocol takes', async (t) => {
  const root = await scratch(t);
  const adapters = Array.from({ length: 70 }, (_, at) => ({
    name: 'x'.repeat(at * 10),
    switchName: at % 2 === 0 ? '' : 'y'.repeat(400),
  }));
  const frozen = {
    id: someDiskId,
    name: 'os',
    sizeBytes: 1024,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    trackable: true,
  };
  const { configuration } = await gatherConfiguration(
    found(root, { name: "'; Remove-Item C:\\ -Recurse #\n\ud800".repeat(30), adapters, version: '12.0' }),
    [{ attached: { ...attachedDisk('/vms/os.vhdx', 3), controller: 'IDE', controllerNumber: 1 }, frozen }],
  );
  assert.deepEqual(vmConfiguration(configuration, 'configuration'), configuration);
  assert.equal(configuration.generation, 1);
  assert.deepEqual(configuration.disks, [{ id: someDiskId, name: 'os', controller: 'IDE 1:3' }]);
  assert.deepEqual(configuration.networkAdapters[0], { name: '-', switchName: null });
  assert.equal(configuration.networkAdapters.length, 64);
});
