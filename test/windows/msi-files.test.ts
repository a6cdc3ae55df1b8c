import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { filesOf } from '../../scripts/agent-package/folder.mjs';
import { cabinetFilesOf, extractAll, pairsOf, streamsOf, tableOf } from './support/msi.ts';
import type { Row } from './support/msi.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { versionOf } from './support/pe.ts';

const made = madePackages();
const { shipped } = made;
const files = tableOf(shipped.msi, 'File');
const components = new Map(tableOf(shipped.msi, 'Component').map((row) => [row['Component'] ?? '', row]));
const bySequence = files.toSorted((a, b) => Number(a['Sequence']) - Number(b['Sequence']));

/** Where a file is installed, below the program's folder, as the tables say. */
function pathIn(msi: string): (file: Row) => string {
  const directories = new Map(tableOf(msi, 'Directory').map((row) => [row['Directory'] ?? '', row]));
  const inDirectory = new Map(
    tableOf(msi, 'Component').map((row) => [row['Component'] ?? '', row['Directory_'] ?? '']),
  );
  const long = (name: string | undefined): string => name?.split('|').at(-1) ?? '';
  const folder = (id: string): string => {
    if (id === 'INSTALLFOLDER') return '';
    const row = directories.get(id);
    assert.ok(row !== undefined, `the directory ${id}`);
    return `${folder(row['Directory_Parent'] ?? '')}${long(row['DefaultDir'])}/`;
  };
  return (file) => `${folder(inDirectory.get(file['Component_'] ?? '') ?? '')}${long(file['FileName'])}`;
}

const path = pathIn(shipped.msi);
const contents = new Map(filesOf(shipped.folder).map(({ name, file }) => [name, readFileSync(file)]));

test('the MSI has every file of the package, byte for byte, and no other', () => {
  assert.deepEqual(files.map(path).sort(), [...contents.keys()].sort());
  const target = mkdtempSync(join(workFolder(), 'msi-'));
  extractAll(shipped.msi, target);
  assert.deepEqual(readdirSync(target), ['Tidemark Agent']);
  const extracted = filesOf(join(target, 'Tidemark Agent'));
  assert.deepEqual(extracted.map(({ name }) => name).sort(), [...contents.keys()].sort());
  for (const { name, file } of extracted) assert.ok(contents.get(name)?.equals(readFileSync(file)), name);
});

test('its one cabinet is inside, and has the files in the order of their numbers, as Windows reads them', () => {
  const media = tableOf(shipped.msi, 'Media');
  assert.deepEqual(
    media.map((row) => [row['DiskId'], row['Cabinet'], row['LastSequence']]),
    [['1', '#agent.cab', String(files.length)]],
  );
  assert.ok(streamsOf(shipped.msi).includes('agent.cab'));
  assert.deepEqual(
    bySequence.map((row) => Number(row['Sequence'])),
    files.map((_, index) => index + 1),
  );
  assert.deepEqual(
    cabinetFilesOf(shipped.msi, 'agent.cab'),
    bySequence.map((row) => row['File']),
  );
});

test('Windows is told sizes and check sums of all files, and the versions of programs instead', () => {
  const sums = new Map(tableOf(shipped.msi, 'MsiFileHash').map((row) => [row['File_'] ?? '', row]));
  for (const file of files) {
    const name = path(file);
    const content = contents.get(name) ?? Buffer.alloc(0);
    assert.equal(Number(file['FileSize']), content.length, name);
    const sum = sums.get(file['File'] ?? '');
    if (name.endsWith('.exe')) {
      // A program that has a version on the disk is not replaced by one that has none here.
      assert.deepEqual([file['Version'], file['Language']], [versionOf(content).file, '1033'], name);
      assert.equal(sum, undefined, `${name} has no check sum beside its version`);
      continue;
    }
    assert.deepEqual([file['Version'], file['Language']], ['', ''], name);
    // MsiGetFileHash: MD5 in four numbers.
    const md5 = createHash('md5').update(content).digest();
    assert.deepEqual(
      [1, 2, 3, 4].map((part) => Number(sum?.[`HashPart${part}`])),
      [0, 4, 8, 12].map((at) => md5.readInt32LE(at)),
      name,
    );
  }
});

test('a program is replaced whatever version it has, and a file that somebody changed is repaired', () => {
  assert.equal(pairsOf(shipped.msi, 'Property', 'Property', 'Value').get('REINSTALLMODE'), 'amus');
});

test('each file is a component of its own, 64-bit, in the one feature', () => {
  assert.equal(new Set(files.map((file) => file['Component_'])).size, files.length);
  assert.equal(components.size, files.length);
  for (const file of files) {
    const component = components.get(file['Component_'] ?? '');
    assert.equal(component?.['KeyPath'], file['File'], path(file));
    // msidbComponentAttributes64bit
    assert.equal(component?.['Attributes'], '256', path(file));
    assert.equal(component?.['Condition'], '', path(file));
  }
  const feature = tableOf(shipped.msi, 'Feature').map((row) => [row['Feature'], row['Level']]);
  assert.deepEqual(feature, [['Agent', '1']]);
  assert.deepEqual(
    tableOf(shipped.msi, 'FeatureComponents')
      .map((row) => row['Component_'] ?? '')
      .sort(),
    [...components.keys()].sort(),
  );
});

test('a file has the same component in every version, and no two files have one', () => {
  const ids = (msi: string): ReadonlyMap<string, string> => {
    const pathOf = pathIn(msi);
    const ofComponent = pairsOf(msi, 'Component', 'Component', 'ComponentId');
    return new Map(tableOf(msi, 'File').map((row) => [pathOf(row), ofComponent.get(row['Component_'] ?? '') ?? '']));
  };
  const before = ids(made.old.msi);
  assert.equal(new Set(before.values()).size, before.size);
  for (const id of before.values()) {
    assert.match(id, /^\{[0-9A-F]{8}-[0-9A-F]{4}-[1-5][0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}$/);
  }
  const after = ids(made.new.msi);
  const both = [...before.keys()].filter((name) => after.has(name));
  assert.ok(both.includes('node.exe') && both.includes('server/tidemark.js'));
  for (const name of both) assert.equal(after.get(name), before.get(name), name);
  // A component that is in both versions under another path would be removed with the older one.
  const others = [...after].filter(([name]) => !before.has(name)).map(([, id]) => id);
  assert.deepEqual(
    others.filter((id) => [...before.values()].includes(id)),
    [],
  );
});
