import assert from 'node:assert/strict';
import { win32 } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  hostPath,
  isHostPath,
  isInside,
  isPlainName,
  isPlainPath,
  mayBeParent,
  pathKey,
  safeName,
  sameFile,
} from '../../../server/agent/hyperv/paths.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

test('disks are opened on drives, shares and volumes', () => {
  for (const path of [
    'C:\\VMs\\sql01\\os.vhdx',
    'c:/VMs/sql01/os.VHDX',
    'D:\\os_0A1B2C3D-0000-1111-2222-333344445555.avhdx',
    '\\\\?\\D:\\VMs\\old.vhd',
    '\\\\files01\\vms$\\sql01\\os.vhdx',
    '\\\\?\\UNC\\files01\\vms\\os.avhd',
    '\\\\?\\Volume{0a1b2c3d-0000-1111-2222-333344445555}\\VMs\\os.vhdx',
    'C:\\ClusterStorage\\Volume1\\Бухгалтерия 会計 🙂\\os.vhdx',
    "C:\\VMs\\'; Remove-Item C -Recurse #\\os.vhdx",
  ]) {
    assert.ok(isHostPath(path, 'disk', 'windows'), path);
  }
});

test('devices, streams, relative paths and other files are never opened', () => {
  for (const path of [
    '',
    'os.vhdx',
    'C:os.vhdx',
    'C:\\',
    '\\os.vhdx',
    '\\\\.\\PhysicalDrive0',
    '\\\\.\\pipe\\os.vhdx',
    '\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\os.vhdx',
    '\\\\?\\pipe\\os.vhdx',
    '\\??\\C:\\os.vhdx',
    '//files01/vms/os.vhdx',
    '\\\\files01\\os.vhdx',
    '\\\\files01\\vms\\..\\c$\\os.vhdx',
    'C:\\VMs\\..\\Windows\\os.vhdx',
    'C:\\VMs\\.\\os.vhdx',
    'C:\\VMs\\\\os.vhdx',
    'C:\\VMs\\secret.txt:os.vhdx',
    'C:\\VMs\\os.vhdx:stream',
    'C:\\VMs\\os.vhdx::$DATA',
    'C:\\VMs\\os.vhdx.',
    'C:\\VMs\\os.vhdx ',
    'C:\\VMs \\os.vhdx',
    'C:\\VMs\\nul.vhdx',
    'C:\\VMs\\COM1\\os.vhdx',
    'C:\\VMs\\com¹.vhdx',
    'C:\\VMs\\o?.vhdx',
    'C:\\VMs\\o\0s.vhdx',
    'C:\\VMs\\os\n.vhdx',
    'C:\\Windows\\System32\\config\\SAM',
    'C:\\VMs\\os.vhdx\\',
    'C:\\VMs\\os.vhds',
    'C:\\VMs\\sql01.vmcx',
    `C:\\${'a'.repeat(256)}.vhdx`,
    `C:\\${'a\\'.repeat(20_000)}os.vhdx`,
    '/vms/os.vhdx',
  ]) {
    assert.ok(!isHostPath(path, 'disk', 'windows'), JSON.stringify(path));
  }
});

test('folders may be written with a separator at their end, and may be a whole drive or share', () => {
  for (const path of ['C:\\', 'D:\\VMs', 'D:\\VMs\\', 'D:/VMs/', '\\\\files01\\vms', '\\\\files01\\vms\\new\\']) {
    assert.ok(isPlainPath(path, 'windows'), path);
    assert.ok(isInside(path, win32.join(path, 'new', 'os.vhdx'), 'windows'), path);
  }
  for (const path of [
    'C:',
    'C:VMs',
    '\\VMs',
    '\\\\files01',
    '\\\\files01\\',
    'D:\\VMs\\\\',
    '\\\\?\\',
    '\\\\.\\x\\y',
  ]) {
    assert.ok(!isPlainPath(path, 'windows'), path);
  }
});

test('configuration files have extensions of their own', () => {
  for (const name of ['a.vmcx', 'a.VMRS', 'a.vmgs']) {
    assert.ok(isHostPath(`C:\\VMs\\${name}`, 'configuration', 'windows'));
    assert.ok(!isHostPath(`C:\\VMs\\${name}`, 'disk', 'windows'));
  }
  assert.ok(!isHostPath('C:\\VMs\\a.xml', 'configuration', 'windows'));
});

test('a path that is not opened is an error which names it, whatever is in it', () => {
  assert.throws(
    () => hostPath('\\\\.\\evil\n\u001b[31m', 'disk', 'windows'),
    (error) =>
      TidemarkError.is(error, errorCodes.hostStateInvalid) &&
      !error.message.includes('\n') &&
      error.message.includes('evil') &&
      error.hint !== undefined,
  );
});

test('elsewhere than on Windows a path is absolute and goes straight down', () => {
  assert.ok(isHostPath('/vms/sql01/os.vhdx', 'disk', 'posix'));
  for (const path of ['vms/os.vhdx', '/vms/../os.vhdx', '/vms/./os.vhdx', '/vms/o\0s.vhdx', '/etc/shadow']) {
    assert.ok(!isHostPath(path, 'disk', 'posix'), path);
  }
});

test('Windows knows neither case nor two kinds of slashes', () => {
  assert.ok(sameFile('C:\\VMs\\Os.vhdx', 'c:/vms/OS.VHDX', 'windows'));
  assert.ok(sameFile('\\\\?\\C:\\VMs\\os.vhdx', 'C:\\VMs\\os.vhdx', 'windows'));
  assert.ok(sameFile('\\\\?\\UNC\\Files01\\vms\\os.vhdx', '\\\\files01\\VMS\\os.vhdx', 'windows'));
  assert.ok(!sameFile('C:\\VMs\\os.vhdx', 'D:\\VMs\\os.vhdx', 'windows'));
  assert.ok(!sameFile('/vms/Os.vhdx', '/vms/os.vhdx', 'posix'));
  assert.notEqual(pathKey('C:\\a', 'windows'), pathKey('C:\\a b', 'windows'));
});

test('a file lies in a folder only when the whole name of the folder is before it', () => {
  assert.ok(isInside('C:\\VMs\\new', 'c:\\vms\\NEW\\Virtual Hard Disks\\os.vhdx', 'windows'));
  assert.ok(isInside('C:\\', 'C:\\os.vhdx', 'windows'));
  assert.ok(!isInside('C:\\VMs\\new', 'C:\\VMs\\newer\\os.vhdx', 'windows'));
  assert.ok(!isInside('C:\\VMs\\new', 'C:\\VMs\\new\\..\\os.vhdx', 'windows'));
  assert.ok(!isInside('/vms/new', '/vms/new', 'posix'));
});

test('a parent on a file server is looked for only when its child is on the same one', () => {
  const local = 'C:\\VMs\\child.avhdx';
  const shared = '\\\\files01\\vms\\child.avhdx';
  assert.ok(mayBeParent('D:\\images\\base.vhdx', local, 'windows'));
  assert.ok(mayBeParent('\\\\FILES01\\other\\base.vhdx', shared, 'windows'));
  assert.ok(mayBeParent('\\\\?\\UNC\\files01\\other\\base.vhdx', shared, 'windows'));
  assert.ok(mayBeParent('D:\\images\\base.vhdx', shared, 'windows'));
  assert.ok(!mayBeParent('\\\\attacker\\x\\base.vhdx', shared, 'windows'));
  assert.ok(!mayBeParent('\\\\attacker\\x\\base.vhdx', local, 'windows'));
  assert.ok(!mayBeParent('D:\\images\\base.txt', local, 'windows'));
  assert.ok(!mayBeParent('\\\\.\\C:', local, 'windows'));
});

test('any text gives a name that Windows takes, short enough, and the same each time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 8, max: 64 }), (text, length) => {
      const name = safeName(text, length);
      assert.ok(isPlainName(name), JSON.stringify(name));
      assert.ok(name.length <= length);
      assert.ok(isPlainPath(`C:\\${name}\\os.vhdx`, 'windows'));
      assert.equal(safeName(text, length), name);
    }),
  );
});

test('names of devices, dots and slashes do not survive in a name', () => {
  assert.equal(safeName('CON', 64), '_CON');
  assert.equal(safeName('aux.old', 64), '_aux.old');
  assert.equal(safeName('..', 64), '_');
  assert.equal(safeName('  ', 64), '_');
  assert.equal(safeName('sql01. . .', 64), 'sql01');
  assert.equal(safeName('..\\..\\Windows', 64), '.._.._Windows');
  assert.equal(safeName("'; Remove-Item C:\\ -Recurse #", 64), "'; Remove-Item C__ -Recurse #");
  assert.equal(safeName('Бухгалтерия 会計 🙂', 64), 'Бухгалтерия 会計 🙂');
  assert.equal(safeName('🙂'.repeat(40), 7), '🙂🙂🙂');
});

test('named pipes and mail slots, which are written like files on a share, are not opened', () => {
  for (const share of ['pipe', 'PIPE', 'mailslot', 'IPC$']) {
    for (const path of [`\\\\localhost\\${share}\\os.vhdx`, `\\\\?\\UNC\\localhost\\${share}\\os.vhdx`]) {
      assert.ok(!isHostPath(path, 'disk', 'windows'), path);
      assert.ok(!mayBeParent(path, '\\\\localhost\\vms\\child.avhdx', 'windows'), path);
    }
  }
  assert.ok(isHostPath('\\\\localhost\\pipes\\os.vhdx', 'disk', 'windows'));
});
