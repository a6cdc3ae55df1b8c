// `npm run test:windows`: the rehearsal of the Windows package under Wine (docs/testing.md). Builds the package twice, as this version and as
// one that replaces it, with the Node that Wine can run, and installs, uses, upgrades and uninstalls it; and once as users get it. With arguments: only these test files.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { installDependencies, testFilePasses } from './setup.mjs';

/** Debian packages of the programs. */
const tools = {
  wine: 'wine wine64',
  wixl: 'wixl',
  msiinfo: 'msitools',
  makensis: 'nsis',
  Xvfb: 'xvfb',
  xdotool: 'xdotool',
  import: 'imagemagick',
  unzip: 'unzip',
};

const missing = Object.keys(tools).filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
if (missing.length > 0) {
  const packages = missing.map((tool) => tools[tool]).join(' ');
  console.log(
    `The rehearsal under Wine is skipped: ${missing.join(', ')} not installed (Debian packages ${packages}).`,
  );
  process.exit(process.env.CI === undefined ? 0 : 1);
}

const testFiles = () =>
  readdirSync('test/windows')
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => `test/windows/${name}`);

/** The version after `version`, for upgrades. */
const next = (version) => version.replace(/\d+$/, (patch) => String(Number(patch) + 1));

installDependencies();
// Imported only now: it needs the dependencies.
const { packageAgent } = await import('./package-agent.mjs');
const { version } = await import('./server-bundle.mjs');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-windows-'));
let status = 1;
try {
  console.log('Making the packages …');
  const made = {};
  for (const [name, as, nodeKey] of [
    ['old', version, 'nodeUnderWine'],
    ['new', next(version), 'nodeUnderWine'],
    // As users get it: not run here, but looked at.
    ['shipped', version, 'node'],
  ]) {
    made[name] = { version: as, ...(await packageAgent({ under: join(folder, name), nodeKey, as })) };
  }
  mkdirSync(join(folder, 'work'));
  const env = { TIDEMARK_WINDOWS_PACKAGES: JSON.stringify(made), TIDEMARK_WINDOWS_WORK: join(folder, 'work') };
  const only = process.argv.slice(2);
  const files = only.length > 0 ? only : testFiles();
  // Wine's service manager now and then does not start a service on a machine that does other work as well.
  const failed = files.filter((file) => !testFilePasses(file, { env: { ...env, WINEDEBUG: '-all' } }));
  if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}`);
  status = failed.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
