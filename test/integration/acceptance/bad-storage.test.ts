/** Repositories and restore targets that are full, read-only, in use, too new or locked away: a clear error, and nothing is lost. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { decodeSelfChecked, encodeSelfChecked } from '../../../server/repository/self-checked.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { tool } from './support/command.ts';
import { checkHostClean, checkNothingLeft } from './support/leftovers.ts';
import { sameBytes } from './support/files.ts';
import { diskName, Site, vmName } from './support/site.ts';
import { startBackup, waitForEnd, waitForPhase } from './support/runs.ts';

const timeout = 120_000;
const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

/** A file system of its own, of that size. */
async function mount(site: Site, path: string, size: string): Promise<(options: string) => Promise<unknown>> {
  await mkdir(path, { recursive: true });
  await tool('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  site.beforeRemoval(() => tool('umount', ['-l', path]));
  return (options) => tool('mount', ['-o', `remount,${options}`, path]);
}

/** Whether this process may mount at all; in many containers root may not. */
async function canMount(site: Site): Promise<boolean> {
  if (!mayMount) return false;
  try {
    await mount(site, site.file('probe'), '1m');
    return true;
  } catch {
    return false;
  }
}

test(
  'a repository on a full or read-only disk fails the run; more room, and the next one succeeds',
  { timeout },
  async (t) => {
    const site = await Site.make(t);
    if (!(await canMount(site))) return t.skip('mounting is not allowed here');
    const remount = await mount(site, site.repository, '24m');
    await site.addHost('hv01', ['--disk', `${diskName}=64MiB`]);
    await site.initRepository();
    await site.guestWrites(5);
    const image = await site.guestDisk();
    const first = await site.backUp();

    await site.guestWrites(80);
    const full = await site.tryBackup();
    assert.equal(full.error?.code, errorCodes.repositoryFull, JSON.stringify(full.error));
    await checkHostClean(site);
    assert.ok(await sameBytes(await site.restore(first.id, 'raw'), image), 'the earlier restore point restores');
    await site.run(['repo', 'verify', 'main', '--read-data']);

    await remount('size=128m,ro');
    const readOnly = await site.tryBackup();
    assert.equal(readOnly.error?.code, errorCodes.repositoryReadOnly, JSON.stringify(readOnly.error));
    await checkHostClean(site);
    assert.ok(await sameBytes(await site.restore(first.id, 'raw'), image), 'it restores from a read-only disk');

    await remount('size=128m,rw');
    const later = await site.guestDisk();
    const next = await site.backUp();
    assert.equal(next.type, 'incremental', 'the base stayed usable');
    assert.ok(await sameBytes(await site.restore(next.id, 'raw'), later));
    await checkNothingLeft(site, next.referencePointId);
    await site.run(['repo', 'gc', 'main', '--now']);
    await site.run(['repo', 'verify', 'main', '--read-data']);
  },
);

test('a repository of a newer version, with a wrong password, or none at all is not opened', { timeout }, async (t) => {
  const site = await Site.withVm(t);
  await site.backUp();
  const attach = (name: string, location: string, password: string): string[] => [
    'repo',
    'init',
    name,
    location,
    '--attach',
    '--password-file',
    password,
  ];
  const wrong = site.newFile('pw');
  await writeFile(wrong, 'a wrong password\n');
  await site.stopDaemon();
  const other = `${site.data}-other`;
  const elsewhere = ['--data', other];
  site.beforeRemoval(() => site.stopDaemonOf(other));
  await site.failsAt(elsewhere, attach('main', site.repository, wrong), 'repositoryWrongPassword');
  await site.failsAt(elsewhere, attach('main', site.file('nothing'), site.passwordFile), 'repositoryNotFound');
  await site.failsAt(
    elsewhere,
    ['repo', 'init', 'main', site.repository, '--password-file', wrong],
    'repositoryExists',
  );
  await site.failsAt(elsewhere, ['repo', 'status', 'main'], 'repositoryUnknown');

  for (const name of ['config.json', 'config.json.bak']) {
    const path = join(site.repository, name);
    const config = decodeSelfChecked(await readFile(path), (value) => value, name);
    await writeFile(path, encodeSelfChecked({ ...Object(config), sum: undefined, version: 2 }));
  }
  await site.failsAt(elsewhere, attach('main', site.repository, site.passwordFile), 'repositoryTooNew');
  const run = await site.tryBackup();
  assert.equal(run.error?.code, errorCodes.repositoryTooNew, JSON.stringify(run.error));
  await checkHostClean(site);
});

test('garbage is not collected at once while another daemon writes to the repository', { timeout }, async (t) => {
  const site = await Site.withVm(t);
  await site.backUp();
  const other = `${site.data}-other`;
  site.beforeRemoval(() => site.stopDaemonOf(other));
  const attach = ['repo', 'init', 'main', site.repository, '--attach', '--password-file', site.passwordFile];
  await site.runAt(['--data', other], attach);
  await site.stopAgent('hv01');
  await site.startAgent('hv01', { jobMs: 60_000 });
  const { id } = await startBackup(site);
  await waitForPhase(site, id, 'checkpoint');
  await site.failsAt(['--data', other], ['repo', 'gc', 'main', '--now'], 'repositoryLocked');
  await site.run(['run', 'cancel', id]);
  await waitForEnd(site, id);
  await site.runAt(['--data', other], ['repo', 'gc', 'main', '--now']);
});

test('a restore replaces no file unless told to, and leaves no part of one on a full disk', { timeout }, async (t) => {
  const site = await Site.withVm(t, '16MiB');
  await site.guestWrites(90);
  const image = await site.guestDisk();
  const point = await site.backUp();
  const target = site.newFile('raw');
  await writeFile(target, 'precious');
  const restore = (file: string): string[] => ['restore', 'disk', point.id, diskName, '--to', file, '--format', 'raw'];
  await site.fails(restore(target), 'targetExists');
  assert.equal(await readFile(target, 'utf8'), 'precious');
  await site.fails(restore(join(site.directory, 'no', 'such', 'folder', 'disk.raw')), 'targetNotWritable');
  await site.run([...restore(target), '--force']);
  assert.ok(await sameBytes(target, image));

  if (!(await canMount(site))) return;
  const small = site.file('small');
  await mount(site, small, '4m');
  const precious = join(small, 'disk.raw');
  await writeFile(precious, 'precious');
  await site.fails([...restore(precious), '--force'], 'targetDiskFull');
  assert.deepEqual(await readdir(small), ['disk.raw'], 'the partial file is gone');
  assert.equal(await readFile(precious, 'utf8'), 'precious', 'what --force would have replaced is still there');
  await site.fails(restore(join(small, 'new.raw')), 'targetDiskFull');
  assert.deepEqual(await readdir(small), ['disk.raw']);
  assert.equal((await stat(precious)).size, 8);
});

test(
  'VMs, disks, restore points, runs and repositories that do not exist are named in the error',
  { timeout },
  async (t) => {
    const site = await Site.withVm(t);
    const point = await site.backUp();
    const noPoint = '01JD0000000000000000000000';
    const file = site.file('out.raw');
    await site.fails(['backup', 'run', '--vm', 'hv01/nobody', '--repo', 'main', '--wait'], 'vmNotFound');
    await site.fails(['backup', 'run', '--vm', `hv09/${vmName}`, '--repo', 'main', '--wait'], 'hostNotFound');
    await site.fails(['backup', 'run', '--vm', `hv01/${vmName}`, '--repo', 'nope', '--wait'], 'repositoryUnknown');
    await site.fails(['restore', 'disk', point.id, 'nope', '--to', file], 'diskNotFound');
    await site.fails(['restore', 'disk', noPoint, diskName, '--to', file], 'restorePointNotFound');
    await site.fails(['restore-point', 'show', noPoint], 'restorePointNotFound');
    await site.fails(['restore-point', 'delete', noPoint, '--yes'], 'restorePointNotFound');
    await site.fails(['run', 'show', noPoint], 'runNotFound');
    await site.fails(['restore', 'vm', point.id, '--host', 'hv01', '--name', vmName], 'vmExists');
    const usage = await site.fails(['restore', 'disk', 'not-an-id', diskName, '--to', file], 'invalidInput');
    assert.ok(usage.message.length > 0);
    await assert.rejects(stat(file));
    await checkNothingLeft(site, point.referencePointId);
  },
);
