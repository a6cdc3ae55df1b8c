// `npm run screenshots`: the pictures of the documentation, docs/images/<scene>-<dark|light|contrast>.png, of the packed extension in
// a real VS Code with a real daemon. The scenes: test/e2e/scenes.ts. Look at each picture before it is committed.
//   -- SCENE …  write only these (the ones before are played, too)
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { hypervScenes, prepareWorkspace, scenes } from '../test/e2e/scenes.ts';
import { HyperVHost } from '../test/e2e/support/hyperv-host.ts';
import { cli, LabHost } from '../test/e2e/support/lab-host.ts';
import { startSession } from '../test/support/vscode/session.ts';
import { themes } from '../test/support/vscode/window.ts';
import { packageExtension } from './package.mjs';
import { root } from './setup.mjs';

const all = [...scenes, ...hypervScenes];
const only = process.argv.slice(2);
const unknown = only.filter((name) => !all.some((scene) => scene.name === name));
if (unknown.length > 0) {
  console.error(`No such scene: ${unknown.join(', ')}. There are: ${all.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const wanted = only.length === 0 ? all.map(({ name }) => name) : only;
const images = join(root, 'docs/images');
// It would lie over the run page.
const machineSettings = { 'tidemark.runs.progressNotification': false };

/** Plays the scenes up to the last one that is wanted, and takes the pictures of these. */
async function take(session, stage, list) {
  const last = list.findLastIndex(({ name }) => wanted.includes(name));
  for (const { name, set, size, pointer = false } of list.slice(0, last + 1)) {
    const show = () => session.pictured(name, () => set({ window: session.window, ...stage }));
    await show();
    if (!wanted.includes(name)) continue;
    for (const [theme, { name: colorTheme }] of Object.entries(themes)) {
      session.server.changeSettings({ 'workbench.colorTheme': colorTheme });
      await session.window.drawnIn(theme);
      if (pointer) await show();
      await session.window.screenshot(join(images, `${name}-${theme}.png`), { size, pointer });
    }
    session.server.changeSettings({ 'workbench.colorTheme': themes.dark.name });
    await session.window.drawnIn('dark');
    console.log(name);
  }
}

async function takeLab() {
  await using session = await startSession({ prepare: prepareWorkspace, machineSettings });
  const vms = { sql01: '768MiB', web01: '64MiB' };
  await using lab = await LabHost.start({ directory: join(session.directory, 'lab'), name: 'hv02', vms });
  await take(session, { lab }, scenes);
}

async function takeHyperV() {
  await using session = await startSession({ machineSettings });
  const vms = { dc01: '64MiB', sql01: '768MiB', web01: '64MiB' };
  await using host = await HyperVHost.start({ directory: join(session.directory, 'lab'), name: 'hv01', vms });
  const passwordFile = join(session.directory, 'lab', 'hv01.password');
  const repository = join(session.directory, 'backups');
  await cli('repo', 'init', 'main', repository, '--password-file', passwordFile, '--data', session.daemonData);
  await take(session, { host }, hypervScenes);
}

await packageExtension();
mkdirSync(images, { recursive: true });
if (scenes.some(({ name }) => wanted.includes(name))) await takeLab();
if (hypervScenes.some(({ name }) => wanted.includes(name))) await takeHyperV();
