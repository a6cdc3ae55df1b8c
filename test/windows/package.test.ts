import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';

import { makeFolder, filesOf } from '../../scripts/agent-package/folder.mjs';
import { zipOf } from '../../scripts/agent-package/zip.mjs';
import { array, json, object, string } from '../../server/protocol/parse.ts';
import { importsFromOutside } from './support/imports.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { isWholeWindowsProgram } from './support/pe.ts';

const { old: made } = madePackages();
const names = filesOf(made.folder).map(({ name }) => name);

test('the package has everything an administrator and the service need, and nothing of the editor', () => {
  for (const name of [
    'node.exe',
    'nssm.exe',
    'tidemark.cmd',
    'Install-TidemarkAgent.ps1',
    'README.txt',
    'LICENSE.txt',
    'licences/nssm.txt',
    'licences/npm-packages.txt',
    'server/tidemark.js',
    'server/export-worker.js',
    'server/Tidemark.HyperV/Tidemark.HyperV.psd1',
    'server/Tidemark.HyperV/Tidemark.HyperV.psm1',
  ]) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(names.some((name) => /^licences\/node-24\.\d+\.\d+\.txt$/.test(name)));
  assert.deepEqual(
    names.filter((name) => /policy-language|\.map$|\.ts$|node_modules/.test(name)),
    [],
  );
});

test('every import of the bundle is one of Node or a file of the package', async () => {
  assert.deepEqual(await importsFromOutside(made.folder), []);
});

test('an import of something else would be found', async () => {
  const cut = mkdtempSync(join(workFolder(), 'cut-'));
  cpSync(join(made.folder, 'server'), join(cut, 'server'), { recursive: true });
  const chunk = filesOf(cut).find(({ name }) => /^server\/chunk-.*\.js$/.test(name));
  assert.ok(chunk !== undefined);
  rmSync(chunk.file);
  const missing = await importsFromOutside(cut);
  assert.ok(missing.length > 0);
  for (const text of missing) assert.equal(text, `Could not resolve "./${basename(chunk.name)}"`);
  cpSync(join(made.folder, 'server'), join(cut, 'server'), { recursive: true });
  writeFileSync(join(cut, 'server/more.js'), "export { parse } from 'yaml';\n");
  assert.deepEqual(await importsFromOutside(cut), ['Could not resolve "yaml"']);
});

test('the bundle runs where there is nothing else', () => {
  const alone = mkdtempSync(join(workFolder(), 'alone-'));
  cpSync(join(made.folder, 'server'), join(alone, 'server'), { recursive: true });
  for (const args of [
    ['--version'],
    ['agent', '--help'],
    ['agent', 'install', '--help'],
    ['sim', 'init', join(alone, 'host')],
  ]) {
    const result = spawnSync(process.execPath, [join(alone, 'server/tidemark.js'), ...args], {
      encoding: 'utf8',
      cwd: alone,
    });
    assert.equal(result.status, 0, result.stderr);
  }
});

test('its programs are whole ones for Windows x64, which a cut or other one is not', () => {
  for (const name of ['node.exe', 'nssm.exe']) {
    const program = readFileSync(join(made.folder, name));
    assert.ok(isWholeWindowsProgram(program), name);
    assert.ok(!isWholeWindowsProgram(program.subarray(0, program.length - 1024)), `${name}, cut`);
  }
  assert.ok(!isWholeWindowsProgram(readFileSync(process.execPath)));
});

test('text for Windows has its line ends, and the script the byte order mark that PowerShell 5.1 needs', () => {
  const script = readFileSync(join(made.folder, 'Install-TidemarkAgent.ps1'));
  assert.deepEqual([...script.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
  for (const name of ['Install-TidemarkAgent.ps1', 'tidemark.cmd', 'README.txt']) {
    assert.doesNotMatch(readFileSync(join(made.folder, name), 'latin1'), /[^\r]\n/, name);
  }
  assert.match(readFileSync(join(made.folder, 'README.txt'), 'utf8'), new RegExp(`Tidemark agent ${made.version} `));
});

test('the same inputs make the same zip', async () => {
  const again = await makeFolder({
    under: mkdtempSync(join(workFolder(), 'again-')),
    nodeKey: 'nodeUnderWine',
    as: made.version,
  });
  const inside = `tidemark-agent-${made.version}-win-x64`;
  const zip = zipOf(filesOf(again).map(({ name, file }) => ({ name: `${inside}/${name}`, file })));
  const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
  assert.equal(sha256(zip), sha256(readFileSync(made.zip)));
});

test(
  'the zip holds each file bit for bit, as another program reads it',
  { skip: spawnSync('unzip').error && 'no unzip' },
  () => {
    const target = mkdtempSync(join(workFolder(), 'unzipped-'));
    const result = spawnSync('unzip', ['-q', made.zip, '-d', target], { encoding: 'utf8' });
    assert.equal(result.status, 0, result.stderr);
    const folder = join(target, readdirSync(target)[0] ?? '');
    assert.deepEqual(
      filesOf(folder).map(({ name }) => name),
      names,
    );
    for (const { name, file } of filesOf(folder)) {
      assert.ok(readFileSync(file).equals(readFileSync(join(made.folder, name))), name);
    }
  },
);

test('a zip stores what does not get smaller, and tells sizes and check sums that are right', () => {
  const folder = mkdtempSync(join(workFolder(), 'zip-'));
  writeFileSync(join(folder, 'a'), 'a'.repeat(1000));
  writeFileSync(join(folder, 'b'), 'xyz');
  const zip = zipOf(['b', 'a'].map((name) => ({ name, file: join(folder, name) })));
  // Local headers, APPNOTE 4.3.7: the first one is of `a`, deflated; the second of `b`, stored.
  assert.equal(zip.readUInt16LE(8), 8);
  const bytes = zip.readUInt32LE(18);
  assert.equal(inflateRawSync(zip.subarray(31, 31 + bytes)).toString(), 'a'.repeat(1000));
  const second = zip.subarray(31 + bytes);
  assert.equal(second.readUInt16LE(8), 0);
  assert.equal(second.toString('utf8', 31, 34), 'xyz');
});

test('what is fetched is pinned by hashes of package and file', () => {
  const pins = json(
    readFileSync(new URL('../../installer/downloads.json', import.meta.url), 'utf8'),
    (value, path) =>
      array(object({ package: string(), version: string(), integrity: string(), sha256: string() }))(
        Object.values(Object(value)),
        path,
      ),
    'downloads.json',
  );
  assert.equal(pins.length, 3);
  for (const { version, integrity, sha256 } of pins) {
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
    assert.match(sha256, /^[0-9a-f]{64}$/);
  }
});
