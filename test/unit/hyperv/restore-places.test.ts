import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { checkPlace, makeFolder, planFolder, writeConfiguration } from '../../../server/agent/hyperv/restores/files.ts';
import type { RestoredDisk } from '../../../server/agent/hyperv/restores/files.ts';
import type { RestoreDefinition } from '../../../server/agent/provider.ts';
import { diskId } from '../../../server/protocol/ids.ts';
import { createDifferencingVhdx, createVhdx, openVhdxWriter } from '../../../server/vhdx/index.ts';
import { code, MiB, scratch } from '../vhdx/support.ts';

const osId = diskId('AAAAAAAA-0000-0000-0000-000000000000', 'diskId');
const definition: RestoreDefinition = {
  name: 'sql01',
  connectNetwork: false,
  configuration: {
    name: 'sql01',
    generation: 2,
    configVersion: '9.0',
    processorCount: 1,
    memoryBytes: 1024 * MiB,
    networkAdapters: [],
    disks: [],
    files: [],
  },
  disks: [{ id: osId, name: 'os', sizeBytes: 8 * MiB, logicalSectorBytes: 512, physicalSectorBytes: 4096 }],
};
const files = [{ name: 'ABC.vmcx', base64: Buffer.from('the definition').toString('base64') }];

interface Made {
  /** The restore folder; a folder of somebody else, empty, to which a link might lead. */
  readonly root: string;
  readonly elsewhere: string;
  readonly folder: string;
  readonly disk: RestoredDisk;
}

async function made(base: string): Promise<Made> {
  const root = join(base, 'restored');
  const elsewhere = join(base, 'elsewhere');
  await mkdir(elsewhere);
  const { folder, disks } = planFolder(root, '0123456789abcdef0123456789abcdef', definition);
  await makeFolder(root, folder, definition, disks);
  const [disk] = disks;
  assert.ok(disk !== undefined);
  return { root, elsewhere, folder, disk };
}

/** Puts a link where a folder is, as somebody can who may write to the folder around it. */
async function swap(folder: string, target: string): Promise<void> {
  await rename(folder, `${folder}.before`);
  await symlink(target, folder, 'junction');
}

test('a restore folder that is reached through a link of the administrator is used', async (t) => {
  const base = await scratch(t);
  await mkdir(join(base, 'volume'));
  await symlink(join(base, 'volume'), join(base, 'restored'), 'junction');
  const { folder, disk } = await made(base);
  await checkPlace(folder, disk.path);
  assert.ok(await writeConfiguration(folder, files));
});

test('a folder of a restore that was swapped for a link is found out after its disk was opened', async (t) => {
  const { folder, elsewhere, disk } = await made(await scratch(t));
  await checkPlace(folder, disk.path);
  const size = { sizeBytes: 8 * MiB, logicalSectorBytes: 512, physicalSectorBytes: 4096 };
  await createVhdx(join(elsewhere, 'os.vhdx'), size);
  await swap(join(folder, 'Virtual Hard Disks'), elsewhere);
  await assert.rejects(checkPlace(folder, disk.path), code('hostStateInvalid'));
  await rm(join(folder, 'Virtual Hard Disks'));
  await rename(join(folder, 'Virtual Hard Disks.before'), join(folder, 'Virtual Hard Disks'));
  await checkPlace(folder, disk.path);
  await mkdir(join(elsewhere, 'Virtual Hard Disks'));
  await createVhdx(join(elsewhere, 'Virtual Hard Disks', 'os.vhdx'), size);
  await swap(folder, elsewhere);
  await assert.rejects(checkPlace(folder, disk.path), code('hostStateInvalid'));
});

test('the configuration is not written through a link that was put in its place', async (t) => {
  const { folder, elsewhere } = await made(await scratch(t));
  await swap(join(folder, 'Virtual Machines'), elsewhere);
  await assert.rejects(writeConfiguration(folder, files), code('hostStateInvalid'));
  assert.deepEqual(await readdir(elsewhere), []);
});

test('a link in the place of a configuration file is replaced, not followed', async (t) => {
  const { folder, elsewhere } = await made(await scratch(t));
  const target = join(elsewhere, 'target');
  await symlink(target, join(folder, 'Virtual Machines', 'ABC.vmcx'));
  const written = await writeConfiguration(folder, files);
  assert.equal(written?.definition, join(folder, 'Virtual Machines', 'ABC.vmcx'));
  assert.deepEqual(await readdir(elsewhere), []);
  await writeConfiguration(folder, files);
});

test('a disk of a restore that somebody swapped for one with a parent is not opened, nor its parent looked for', async (t) => {
  const { elsewhere, disk } = await made(await scratch(t));
  const parent = join(elsewhere, 'secret.vhdx');
  await createVhdx(parent, { sizeBytes: 8 * MiB });
  await rm(disk.path);
  await createDifferencingVhdx(disk.path, parent);
  const asked: string[] = [];
  const mayBeParent = (path: string): boolean => asked.push(path) === 0;
  await assert.rejects(openVhdxWriter(disk.path, { mayBeParent }), code('diskParentMissing'));
  assert.ok(asked.length > 0);
  await writeFile(disk.path, '');
});
