import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { createVm, exportRaw, guestLoad, guestWrite, initHost, power } from '../../../server/agent/simulated/index.ts';
import { copySparse } from '../../../server/agent/simulated/disk-copy.ts';
import { createDifferencingVhdx, createVhdx, openVhdxWriter, readVhdxInfo } from '../../../server/vhdx/index.ts';
import { checkpointOf, code, hostWithVm, MiB, quiet, scratch } from './support.ts';

const skip = spawnSync('qemu-img', ['--version']).error !== undefined && 'qemu-img is not installed';
const execute = promisify(execFile);
const qemu = async (...args: readonly string[]): Promise<unknown> => execute('qemu-img', args);

/** The disk file is sound for qemu and holds what the guest sees. */
async function judge(root: string, directory: string): Promise<void> {
  const path = join(root, 'vms', 'web', 'os.vhdx');
  const raw = join(directory, `judge-${performance.now()}.raw`);
  await exportRaw(root, 'web', 'os', raw);
  await qemu('check', '-f', 'vhdx', path);
  await qemu('compare', '-f', 'vhdx', '-F', 'raw', path, raw);
  const converted = `${raw}.qemu`;
  await qemu('convert', '-f', 'vhdx', '-O', 'raw', path, converted);
  assert.ok((await readFile(converted)).equals(await readFile(raw)), 'the raw files are equal');
}

test(
  'while no checkpoint is open the disk is a dynamic VHDX that qemu reads as the guest does',
  { skip },
  async (t) => {
    const { root, vm, provider, directory } = await hostWithVm(t, { disks: [{ name: 'os', sizeBytes: 33 * MiB }] });
    await judge(root, directory);
    await guestLoad(root, 'web', 'os', { percent: 10, seed: 1 });
    await judge(root, directory);
    for (const how of ['removeCheckpoint', 'convertCheckpoint'] as const) {
      const checkpoint = await checkpointOf(provider, vm);
      await guestLoad(root, 'web', 'os', { percent: 10, seed: how.length });
      await guestWrite(root, 'web', 'os', { offset: 5 * MiB, from: Buffer.alloc(4 * MiB, how) });
      await provider[how](checkpoint.id, quiet);
      await judge(root, directory);
    }
    await power(root, 'web', 'fail');
    await judge(root, directory);
    await power(root, 'web', 'on');
    await power(root, 'web', 'off');
    await judge(root, directory);
  },
);

test('a frozen base is not touched while its checkpoint is open', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const path = join(root, 'vms', 'web', 'os.vhdx');
  await guestWrite(root, 'web', 'os', { offset: 0, from: Buffer.alloc(MiB, 'a') });
  const checkpoint = await checkpointOf(provider, vm);
  const frozen = await readFile(path);
  await guestLoad(root, 'web', 'os', { percent: 20, seed: 1 });
  await power(root, 'web', 'off');
  await power(root, 'web', 'on');
  assert.ok((await readFile(path)).equals(frozen));
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

test(
  'imported disks keep content, sector sizes and id: VHDX of any kind with its parents, and VHD',
  { skip },
  async (t) => {
    const directory = await scratch(t);
    const path = (name: string): string => join(directory, name);
    const image = Buffer.alloc(11 * MiB);
    image.fill('tide', 3 * MiB, 4 * MiB + 100);
    image.fill('mark', 11 * MiB - 1000);
    await writeFile(path('disk.raw'), image);
    await qemu('convert', '-f', 'raw', '-O', 'vhdx', '-o', 'subformat=fixed', path('disk.raw'), path('fixed.vhdx'));
    await qemu('convert', '-f', 'raw', '-O', 'vhdx', path('disk.raw'), path('dynamic.vhdx'));
    await qemu('convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on', path('disk.raw'), path('old.vhd'));
    await createVhdx(path('base.vhdx'), { sizeBytes: image.length, logicalSectorBytes: 4096 });
    for (const [file, offset, end] of [
      ['base.vhdx', 3 * MiB, 4 * MiB + 100],
      ['child.avhdx', 11 * MiB - 1000, 11 * MiB],
    ] as const) {
      if (file === 'child.avhdx') await createDifferencingVhdx(path(file), path('base.vhdx'));
      await using writer = await openVhdxWriter(path(file));
      await writer.write(image.subarray(offset, end), offset);
    }
    const root = path('hv01');
    await initHost(root);
    const files = ['fixed.vhdx', 'dynamic.vhdx', 'old.vhd', 'child.avhdx'];
    for (const file of files) {
      const name = file.replace('.', '-');
      const vm = await createVm(root, { name, disks: [], importDisks: [{ name: 'os', path: path(file) }] });
      await exportRaw(root, name, 'os', path(`${name}.raw`));
      assert.ok((await readFile(path(`${name}.raw`))).equals(image), file);
      const [disk] = vm.disks;
      const imported = await readVhdxInfo(join(root, 'vms', name, 'os.vhdx'));
      assert.equal(imported.type, 'dynamic');
      assert.equal(imported.logicalSectorBytes, file === 'child.avhdx' ? 4096 : 512);
      assert.equal(disk?.id, imported.diskId);
      if (file !== 'old.vhd') assert.equal(imported.diskId, (await readVhdxInfo(path(file))).diskId, 'the id stays');
    }
    const twin = await createVm(root, {
      name: 'twin',
      disks: [],
      importDisks: [{ name: 'os', path: path('dynamic.vhdx') }],
    });
    assert.notEqual(
      twin.disks[0]?.id,
      (await readVhdxInfo(path('dynamic.vhdx'))).diskId,
      'an id is taken once on a host',
    );
    const twice = ['a', 'b'].map((name) => ({ name, path: path('fixed.vhdx') }));
    const twins = await createVm(root, { name: 'twins', disks: [], importDisks: twice });
    assert.notEqual(twins.disks[0]?.id, twins.disks[1]?.id);
    await writeFile(path('text.vhdx'), 'no disk');
    const wrong = { name: 'wrong', disks: [], importDisks: [{ name: 'os', path: path('text.vhdx') }] };
    await assert.rejects(createVm(root, wrong), code('diskFormatUnknown'));
  },
);

test('a sparse copy is equal, takes no space for zeros, and leaves nothing when it is cancelled', async (t) => {
  const directory = await scratch(t);
  const [from, to] = [join(directory, 'from'), join(directory, 'to')];
  const content = Buffer.alloc(20 * MiB + 77);
  content.fill('x', 7 * MiB + 5, 8 * MiB);
  content.write('end', content.length - 3);
  await writeFile(from, content);
  const parts: number[] = [];
  assert.equal(await copySparse(from, to, undefined, (part) => parts.push(part)), content.length);
  assert.ok((await readFile(to)).equals(content));
  assert.equal(parts.at(-1), 1);
  if (process.platform === 'linux') assert.ok((await stat(to)).blocks * 512 < 3 * MiB);
  const abort = new AbortController();
  const copy = join(directory, 'copy');
  await assert.rejects(
    copySparse(from, copy, abort.signal, () => abort.abort()),
    code('cancelled'),
  );
  await assert.rejects(stat(copy), { code: 'ENOENT' });
});
