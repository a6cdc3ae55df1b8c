// `npm run package`: builds, and makes tidemark-<version>.vsix of what .vscodeignore allows. Offline: nothing is resolved, and
// dependencies are in the bundles. Prints what is in it.
import { readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';

import { buildServer, root } from './setup.mjs';

const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;

/** Builds and packs; gives the path of the package. */
export async function packageExtension() {
  buildServer({ quiet: true });
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const file = join(root, `${name}-${version}.vsix`);
  await createVSIX({
    cwd: root,
    packagePath: file,
    dependencies: false,
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
    updatePackageJson: false,
    gitTagVersion: false,
  });
  return file;
}

if (process.argv[1] === import.meta.filename) {
  const file = await packageExtension();
  for (const name of (await listFiles({ cwd: root, packageManager: PackageManager.None })).toSorted())
    console.log(`${name.padEnd(48)} ${kib(statSync(join(root, name)).size).padStart(10)}`);
  console.log(`${relative(root, file)}: ${kib(statSync(file).size)}`);
}
