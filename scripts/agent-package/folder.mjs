// The folder that becomes the zip, the MSI and setup.exe: everything an agent needs on Windows x64, and nothing else.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

import { bundleServer, version } from '../server-bundle.mjs';
import { root } from '../setup.mjs';
import { downloaded, nodeVersion } from './download.mjs';
import { licencesOf } from './licences.mjs';

const output = join(root, 'dist/agent');

/** What every file of a package begins with. */
export const packageName = (as = version) => `tidemark-agent-${as}-win-x64`;

/** Text files that Windows' own tools read: with their line ends, and for PowerShell 5.1 with a byte order mark. */
function writeWindowsText(target, text, { bom = false } = {}) {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${bom ? '\uFEFF' : ''}${text.replace(/^\uFEFF/, '').replaceAll(/\r?\n/g, '\r\n')}`);
}

const ownText = (file, as = version) => readFileSync(join(root, 'installer', file), 'utf8').replaceAll('@VERSION@', as);

/** Every file below `folder`: its path there, with `/`, and where it lies. In order of the paths. */
export function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ name: relative(folder, file).split(sep).join('/'), file }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Makes the folder anew and gives its path. `under`: where, dist/agent when absent; `nodeKey`: which Node of installer/downloads.json. `as`: the version it says it is. */
export async function makeFolder({ under = output, nodeKey = 'node', as = version } = {}) {
  const folder = join(under, packageName(as));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'licences'), { recursive: true });
  copyFileSync(downloaded(nodeKey), join(folder, 'node.exe'));
  copyFileSync(downloaded('nssm'), join(folder, 'nssm.exe'));
  const metafile = await bundleServer({ outdir: join(folder, 'server'), languageServer: false, sourcemap: false, as });
  // Node decides by this whether the bundle is made of modules.
  writeFileSync(join(folder, 'server/package.json'), '{"type":"module"}\n');
  writeWindowsText(join(folder, 'tidemark.cmd'), ownText('tidemark.cmd'));
  writeWindowsText(join(folder, 'README.txt'), ownText('README.txt', as));
  writeWindowsText(join(folder, 'Install-TidemarkAgent.ps1'), ownText('Install-TidemarkAgent.ps1'), { bom: true });
  writeWindowsText(join(folder, 'LICENSE.txt'), readFileSync(join(root, 'LICENSE'), 'utf8'));
  writeWindowsText(join(folder, 'licences/nssm.txt'), ownText('licences/nssm.txt'));
  writeWindowsText(join(folder, 'licences/npm-packages.txt'), licencesOf(metafile));
  writeWindowsText(join(folder, `licences/node-${nodeVersion}.txt`), ownText('licences/node.txt'));
  return folder;
}
