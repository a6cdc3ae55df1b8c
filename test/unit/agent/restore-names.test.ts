import assert from 'node:assert/strict';
import { win32 } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { checkRestoreNames, isFileName } from '../../../server/agent/restore-names.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { diskId } from '../../../server/protocol/ids.ts';
import { fakeConfiguration } from '../../support/fake-provider.ts';

test('ordinary names are taken', () => {
  for (const name of ['os', 'data 1', 'Daten-Größe', '数据', 'a.b', "'; Remove-Item C", '$(x)', 'disk_🎉', 'console']) {
    assert.ok(isFileName(name), name);
  }
});

test('names that lead elsewhere, name a device or stream, or are no text are not', () => {
  const bad = [
    '',
    '.',
    '..',
    '../x',
    String.raw`..\x`,
    '/etc/x',
    'C:x',
    String.raw`C:\x`,
    String.raw`\\server\x`,
    'a:b',
    'a*',
  ];
  const more = [
    'a?',
    'a"',
    'a<',
    'a|',
    'a\n',
    'a\0',
    'a.',
    'a ',
    ' a',
    'NUL',
    'nul.vhdx',
    'COM1',
    'lpt9.x',
    'com¹',
    'aux .x',
  ];
  for (const name of [...bad, ...more, 'a'.repeat(201), '\uD800']) assert.ok(!isFileName(name), JSON.stringify(name));
});

test('a name that is taken is one part of a Windows path and stays what it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (name) => {
      if (!isFileName(name)) return;
      const path = win32.join(String.raw`C:\vm`, `${name}.vhdx`);
      assert.equal(win32.dirname(path), String.raw`C:\vm`);
      assert.equal(win32.basename(path, '.vhdx'), name);
    }),
    { numRuns: 2000 },
  );
});

const ids = ['AAAAAAAA', 'BBBBBBBB'].map((begin) => diskId(`${begin}-2222-3333-4444-555555555555`, 'disk'));

test('two disks or files of one name, or two disks of one id, are refused', () => {
  const begin = (names: readonly string[], files: readonly string[] = [], same = false): void =>
    checkRestoreNames({
      name: 'vm',
      connectNetwork: false,
      configuration: { ...fakeConfiguration, files: files.map((name) => ({ name, base64: '' })) },
      disks: names.map((name, index) => ({
        id: ids[same ? 0 : index] ?? diskId('', 'disk'),
        name,
        sizeBytes: 0,
        logicalSectorBytes: 512,
        physicalSectorBytes: 4096,
        trackable: true,
      })),
    });
  const refused = (error: unknown): boolean => TidemarkError.is(error, errorCodes.invalidInput);
  begin(['os', 'data'], ['a.vmcx', 'a.vmrs']);
  assert.throws(() => begin(['os', 'OS']), refused);
  assert.throws(() => begin(['os', 'data'], [], true), refused);
  assert.throws(() => begin(['os'], ['a.vmcx', 'A.VMCX']), refused);
  assert.throws(() => begin(['os'], ['../a.vmcx']), refused);
  assert.throws(() => begin(['../os']), refused);
});
