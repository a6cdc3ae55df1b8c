// `npm run package:agent`: the agent for Windows x64, made on Linux, macOS or Windows. In dist/agent: the folder and its zip, and,
// where the tools are installed, an MSI (wixl) and setup.exe (makensis).
import { statSync, writeFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

import { filesOf, makeFolder } from './agent-package/folder.mjs';
import { makeMsi } from './agent-package/msi.mjs';
import { makeSetup } from './agent-package/setup-exe.mjs';
import { zipOf } from './agent-package/zip.mjs';
import { version } from './server-bundle.mjs';
import { root } from './setup.mjs';

const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

function makeZip(folder) {
  const zip = `${folder}.zip`;
  const inside = basename(folder);
  writeFileSync(zip, zipOf(filesOf(folder).map(({ name, file }) => ({ name: `${inside}/${name}`, file }))));
  return zip;
}

/** Makes everything there are tools for; gives the paths. Options: see `makeFolder`. */
export async function packageAgent(options = {}) {
  const folder = await makeFolder(options);
  const as = options.as ?? version;
  return {
    folder,
    zip: makeZip(folder),
    msi: makeMsi(folder, `${folder}.msi`, as),
    setup: makeSetup(folder, `${folder}-setup.exe`, as),
  };
}

if (process.argv[1] === import.meta.filename) {
  const { folder, zip, msi, setup } = await packageAgent();
  console.log(`${relative(root, folder)}: ${filesOf(folder).length} files`);
  for (const file of [zip, msi, setup])
    if (file !== undefined) console.log(`${relative(root, file)}: ${mib(statSync(file).size)}`);
}
