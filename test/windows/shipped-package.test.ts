import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { filesOf } from '../../scripts/agent-package/folder.mjs';
import { json, object, string } from '../../server/protocol/parse.ts';
import { importsFromOutside } from './support/imports.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { importedLibraries, isWholeWindowsProgram, versionOf } from './support/pe.ts';

const { shipped, old: rehearsed } = madePackages();
const pin = object({ version: string(), sha256: string() });
const pins = json(
  readFileSync(new URL('../../installer/downloads.json', import.meta.url), 'utf8'),
  object({ node: pin, nssm: pin }),
  'downloads.json',
);

const contentsOf = (folder: string): ReadonlyMap<string, Buffer> =>
  new Map(filesOf(folder).map(({ name, file }) => [name, readFileSync(file)]));
const contents = contentsOf(shipped.folder);
const content = (name: string): Buffer => {
  const found = contents.get(name);
  assert.ok(found !== undefined, name);
  return found;
};
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

test('its node.exe is the whole, pinned Node: the one that the tests run on', () => {
  const program = content('node.exe');
  assert.equal(sha256(program), pins.node.sha256);
  assert.ok(isWholeWindowsProgram(program));
  assert.deepEqual(versionOf(program), { file: `${pins.node.version}.0`, product: pins.node.version });
  assert.equal(`v${pins.node.version}`, process.version);
  assert.ok(contents.has(`licences/node-${pins.node.version}.txt`));
});

test('its nssm.exe is the whole, pinned one', () => {
  const program = content('nssm.exe');
  assert.equal(sha256(program), pins.nssm.sha256);
  assert.ok(isWholeWindowsProgram(program));
});

test('a program of which a part is missing is not taken for a whole one', () => {
  const program = content('node.exe');
  for (const length of [0, 100, 4096, program.length - 1]) {
    assert.ok(!isWholeWindowsProgram(program.subarray(0, length)), `${length} bytes`);
  }
});

/** What every Windows Server 2016 and newer has, Server Core too. The run-time library of Visual C++ is none of it. */
const ofWindows = [
  'advapi32.dll',
  'bcrypt.dll',
  'comdlg32.dll',
  'crypt32.dll',
  'dbghelp.dll',
  'gdi32.dll',
  'iphlpapi.dll',
  'kernel32.dll',
  'ole32.dll',
  'psapi.dll',
  'shell32.dll',
  'shlwapi.dll',
  'user32.dll',
  'userenv.dll',
  'winmm.dll',
  'ws2_32.dll',
];

test('its programs need no library but those of Windows', () => {
  for (const name of ['node.exe', 'nssm.exe']) {
    const libraries = importedLibraries(content(name));
    assert.ok(libraries.includes('kernel32.dll'), name);
    assert.deepEqual(
      libraries.filter((library) => !ofWindows.includes(library)),
      [],
      name,
    );
  }
});

test('every import of its bundle is one of Node or a file of the package', async () => {
  assert.deepEqual(await importsFromOutside(shipped.folder), []);
});

test('it differs from the package that is rehearsed under Wine by its node.exe alone', () => {
  const others = contentsOf(rehearsed.folder);
  assert.deepEqual([...contents.keys()], [...others.keys()]);
  const differing = [...contents].filter(([name, data]) => others.get(name)?.equals(data) !== true);
  assert.deepEqual(
    differing.map(([name]) => name),
    ['node.exe'],
  );
});

test('it has the whole PowerShell module', () => {
  const source = contentsOf(fileURLToPath(new URL('../../server/agent/hyperv/Tidemark.HyperV/', import.meta.url)));
  assert.ok(source.size > 10);
  const inside = 'server/Tidemark.HyperV/';
  assert.deepEqual(
    [...contents.keys()].filter((name) => name.startsWith(inside)).map((name) => name.slice(inside.length)),
    [...source.keys()],
  );
  for (const [name, data] of source) assert.ok(content(`${inside}${name}`).equals(data), name);
});

test('its zip is whole, and is the folder', () => {
  const target = mkdtempSync(join(workFolder(), 'shipped-'));
  const result = spawnSync('unzip', ['-q', shipped.zip, '-d', target], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  assert.deepEqual(readdirSync(target), [`tidemark-agent-${shipped.version}-win-x64`]);
  const unzipped = contentsOf(join(target, `tidemark-agent-${shipped.version}-win-x64`));
  assert.deepEqual([...unzipped.keys()], [...contents.keys()]);
  for (const [name, data] of unzipped) assert.ok(content(name).equals(data), name);
});
