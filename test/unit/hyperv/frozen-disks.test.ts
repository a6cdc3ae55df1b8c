import assert from 'node:assert/strict';
import { copyFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isHeld, openFrozenDisk } from '../../../server/agent/hyperv/exports/frozen-disks.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { settleVhdx } from '../../../server/vhdx/index.ts';
import { code, contentOf, KiB, MiB, scratch } from '../vhdx/support.ts';
import {
  checkpointDisk,
  contentAt,
  copyDirty,
  makeChild,
  makeDisk,
  piece,
  someDiskId,
  writeTo,
} from './support/disks.ts';

/** Replaces the text of the parent locator, which is as long, in a disk file. */
async function renameParent(path: string, from: string, to: string): Promise<void> {
  assert.equal(from.length, to.length);
  const bytes = await readFile(path);
  const at = bytes.indexOf(Buffer.from(from, 'utf16le'));
  assert.ok(at > 0, 'the file names its parent');
  bytes.write(to, at, 'utf16le');
  await writeFile(path, bytes);
}

test('a chain of frozen files is read through its end, while the guest writes above it', async (t) => {
  const folder = await scratch(t);
  const base = await makeDisk(folder, 'os', [piece(0, MiB, 1), piece(4 * MiB, 64 * KiB, 2)]);
  const frozen = await makeChild(base, [piece(32 * KiB, 4 * KiB, 3)]);
  const before = await contentAt(frozen);
  const leaf = await makeChild(frozen, [piece(0, MiB, 4)], '0A1B2C3D-0000-1111-2222-333344446666');
  const { frozen: told } = await checkpointDisk(frozen, 'os');
  const disk = await openFrozenDisk(frozen, told);
  await writeTo(leaf, [piece(2 * MiB, MiB, 5)]);
  assert.ok((await contentOf(disk)).equals(before));
  assert.equal(disk.layers.length, 2);
  await disk.close();
});

test('a frozen file with a log to replay is read as if it had been replayed, and stays as it is', async (t) => {
  const folder = await scratch(t);
  const path = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const crashed = join(folder, 'crashed.vhdx');
  await copyDirty(path, [piece(5 * MiB, MiB, 2)], crashed);
  const bytes = await readFile(crashed);
  const { frozen } = await checkpointDisk(crashed, 'os');
  const disk = await openFrozenDisk(crashed, frozen);
  assert.ok((await contentOf(disk)).equals(await contentAt(path)));
  await disk.close();
  assert.ok((await readFile(crashed)).equals(bytes));
  assert.ok(await settleVhdx(crashed), 'there was a log to replay');
});

test('a file that is another disk than Hyper-V says is refused', async (t) => {
  const folder = await scratch(t);
  const path = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const { frozen } = await checkpointDisk(path, 'os');
  await assert.rejects(openFrozenDisk(path, { ...frozen, id: someDiskId }), code('hostStateInvalid'));
  await assert.rejects(openFrozenDisk(path, { ...frozen, sizeBytes: frozen.sizeBytes * 2 }), code('hostStateInvalid'));
  await assert.rejects(openFrozenDisk(path, { ...frozen, logicalSectorBytes: 4096 }), code('hostStateInvalid'));
});

test('without its parent, or with a parent that was changed, a chain is not read', async (t) => {
  const folder = await scratch(t);
  const base = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const child = await makeChild(base, [piece(MiB, MiB, 2)]);
  const { frozen } = await checkpointDisk(child, 'os');
  await writeTo(base, [piece(0, KiB, 3)]);
  await assert.rejects(openFrozenDisk(child, frozen), code('diskParentMismatch'));
  await rm(base);
  await assert.rejects(openFrozenDisk(child, frozen), code('diskParentMissing'));
  const other = await makeDisk(folder, 'other', [piece(0, MiB, 1)]);
  await rename(other, base);
  await assert.rejects(openFrozenDisk(child, frozen), code('diskParentMismatch'));
});

test('the file of a checkpoint has the id of the disk below it', async (t) => {
  const folder = await scratch(t);
  const base = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const child = await makeChild(base, []);
  const { frozen } = await checkpointDisk(child, 'os');
  const bytes = await readFile(base);
  const id = Buffer.from(
    frozen.id.replace(/^(..)(..)(..)(..)-(..)(..)-(..)(..)-(....)-(.*)$/, '$4$3$2$1$6$5$8$7$9$10'),
    'hex',
  );
  const at = bytes.indexOf(id);
  assert.ok(at > 0, 'the id is in the file');
  bytes.fill(7, at, at + 16);
  await writeFile(base, bytes);
  await assert.rejects(openFrozenDisk(child, frozen), code('hostStateInvalid'));
  // A disk of its own on a shared parent may have been given another id.
  const clone = join(folder, 'clone.vhdx');
  await copyFile(child, clone);
  const disk = await openFrozenDisk(clone, frozen);
  await disk.close();
});

test('a disk file that names another file than a disk as its parent gets nothing of it, not even whether it is there', async (t) => {
  const folder = await scratch(t);
  const base = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const child = await makeChild(base, []);
  const { frozen } = await checkpointDisk(child, 'os');
  await rename(base, join(folder, 'os.text'));
  await renameParent(child, 'os.vhdx', 'os.text');
  const refusal = async (): Promise<string> => {
    const error: unknown = await openFrozenDisk(child, frozen).catch((thrown: unknown) => thrown);
    assert.ok(TidemarkError.is(error, errorCodes.diskParentMissing));
    return error.message;
  };
  const there = await refusal();
  assert.match(there, /is not opened/);
  await rm(join(folder, 'os.text'));
  assert.equal(await refusal(), there);
});

test('a link with the name of a disk leads nowhere else', async (t) => {
  const folder = await scratch(t);
  const base = await makeDisk(folder, 'os', [piece(0, MiB, 1)]);
  const child = await makeChild(base, []);
  const { frozen } = await checkpointDisk(child, 'os');
  await rename(base, join(folder, 'secret'));
  await symlink(join(folder, 'secret'), base);
  await assert.rejects(openFrozenDisk(child, frozen), code('diskParentMissing'));
});

test('what Hyper-V names as a disk is opened only when it can be one', async (t) => {
  const folder = await scratch(t);
  const path = await makeDisk(folder, 'os', []);
  const { frozen } = await checkpointDisk(path, 'os');
  const plain = join(folder, 'os');
  await copyFile(path, plain);
  for (const hostile of [
    plain,
    'os.vhdx',
    '\\\\.\\PhysicalDrive0',
    '/dev/zero',
    join(folder, '..') + '/x/../os.vhdx',
  ]) {
    await assert.rejects(openFrozenDisk(hostile, frozen), code('hostStateInvalid'), hostile);
  }
  await writeFile(join(folder, 'text.vhdx'), 'x'.repeat(4096));
  await assert.rejects(openFrozenDisk(join(folder, 'text.vhdx'), frozen), code('diskFormatUnknown'));
});

test('a file that somebody holds is told from one that is broken', () => {
  const system = (name: string): Error => Object.assign(new Error(name), { code: name });
  for (const name of ['EBUSY', 'EPERM', 'EACCES']) {
    assert.ok(isHeld(new TidemarkError(errorCodes.invalidFile, 'x', { cause: system(name) })), name);
  }
  assert.ok(!isHeld(new TidemarkError(errorCodes.invalidFile, 'x', { cause: system('ENOENT') })));
  assert.ok(!isHeld(new TidemarkError(errorCodes.diskCorrupt, 'x', { cause: system('EBUSY') })));
  assert.ok(!isHeld(new TidemarkError(errorCodes.invalidFile, 'x')));
});
