/** What the simulated host says when somebody damaged its directory by hand. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { createVm, exportRaw, guestWrite, power } from '../../../server/agent/simulated/index.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { checkpointOf, code, hostWithVm, MiB, never, quiet } from './support.ts';

type ErrorName = keyof typeof errorCodes;

const replaceIn = async (file: string, from: string, to: string): Promise<void> => {
  const before = await readFile(file, 'utf8');
  assert.ok(before.includes(from));
  await writeFile(file, before.replace(from, to));
};

const harms: Record<string, readonly [ErrorName, (folder: string) => Promise<void>]> = {
  'the disk file is gone': ['invalidFile', (folder) => rm(join(folder, 'os.vhdx'))],
  'the disk file is cut short': ['diskTruncated', (folder) => truncate(join(folder, 'os.vhdx'), 100_000)],
  'the disk file is another file': ['diskFormatUnknown', (folder) => writeFile(join(folder, 'os.vhdx'), 'hello')],
  'the disk file is a folder': [
    'invalidFile',
    async (folder) => {
      await rm(join(folder, 'os.vhdx'));
      await mkdir(join(folder, 'os.vhdx'));
    },
  ],
  'vm.json is no JSON': ['hostStateInvalid', (folder) => writeFile(join(folder, 'vm.json'), '{"format":1,')],
  'vm.json is of a newer format': [
    'hostStateInvalid',
    (folder) => replaceIn(join(folder, 'vm.json'), '"format": 1', '"format": 2'),
  ],
  'vm.json names a file outside of its folder': [
    'hostStateInvalid',
    (folder) => replaceIn(join(folder, 'vm.json'), '"leaf": "os.vhdx"', '"leaf": "../../fine/os.vhdx"'),
  ],
  'vm.json names a file that is not there': [
    'invalidFile',
    (folder) => replaceIn(join(folder, 'vm.json'), '"leaf": "os.vhdx"', '"leaf": "os_x.avhdx"'),
  ],
};

for (const [what, [name, harm]] of Object.entries(harms)) {
  test(`when ${what}, errors name the file, and other VMs are served as ever`, async (t) => {
    const { root, vm, provider, directory } = await hostWithVm(t);
    const fine = await createVm(root, { name: 'fine', disks: [{ name: 'os', sizeBytes: MiB }] });
    await guestWrite(root, 'web', 'os', { offset: 0, from: Buffer.alloc(100_000, 'x') });
    const folder = join(root, 'vms', 'web');
    await harm(folder);
    const namesFile = (error: unknown): boolean => {
      assert.ok(TidemarkError.is(error, errorCodes[name]), String(error));
      assert.ok(error.message.includes(folder), error.message);
      assert.ok(error.hint !== undefined);
      return true;
    };
    await assert.rejects(checkpointOf(provider, vm), namesFile);
    await assert.rejects(guestWrite(root, 'web', 'os', { offset: 0, from: Buffer.alloc(10) }), namesFile);
    await assert.rejects(exportRaw(root, 'web', 'os', join(directory, 'out.raw')), namesFile);
    assert.deepEqual((await readdir(directory)).sort(), ['hv01'], 'no partial raw file');
    assert.deepEqual(
      (await readdir(folder)).filter((file) => /\.(avhdx|tmp)$/.test(file)),
      [],
    );
    await provider.recover(never);
    const listed = await provider.listVms(never);
    assert.deepEqual(
      listed.map((entry) => entry.name),
      ['fine', 'web'],
    );
    if (name === 'hostStateInvalid') assert.match(listed[1]?.rctBlockers[0] ?? '', /vm\.json is damaged/);
    await provider.convertCheckpoint((await checkpointOf(provider, fine)).id, quiet);
    await power(root, 'fine', 'off');
  });
}

test('folders that are gone are made again; a damaged lock file is named', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  for (const folder of ['locks', 'memory', 'export', 'restoring', 'creating', 'incoming']) {
    await rm(join(root, folder), { recursive: true });
  }
  await provider.recover(never);
  await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  for (const file of await readdir(join(root, 'locks'))) await writeFile(join(root, 'locks', file), 'x'.repeat(500));
  await assert.rejects(checkpointOf(provider, vm), (error: unknown) => {
    assert.ok(TidemarkError.is(error, errorCodes.hostStateInvalid));
    assert.match(error.message, /locks.*vm-.*\.lock/);
    return true;
  });
});

test('a host whose folder is gone or whose host.json is damaged says so', async (t) => {
  const { root, provider } = await hostWithVm(t);
  await writeFile(join(root, 'host.json'), 'x');
  await assert.rejects(provider.recover(never), code('hostStateInvalid'));
  await rm(root, { recursive: true });
  await assert.rejects(provider.listVms(never), code('hostStateInvalid'));
  await assert.rejects(power(root, 'web', 'off'), code('hostStateInvalid'));
});
