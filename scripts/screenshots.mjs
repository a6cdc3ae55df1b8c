// `npm run screenshots`: the pictures of the documentation, docs/images/<scene>-<dark|light|contrast>.png, of the packed extension in
// a real VS Code with a real daemon. The scenes: test/e2e/scenes.ts. Look at each picture before it is committed.
//   -- SCENE …  write only these (the ones before are played, too)
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { prepareWorkspace, scenes } from '../test/e2e/scenes.ts';
import { LabHost } from '../test/e2e/support/lab-host.ts';
import { startSession } from '../test/support/vscode/session.ts';
import { themes } from '../test/support/vscode/window.ts';
import { packageExtension } from './package.mjs';
import { root } from './setup.mjs';

const only = process.argv.slice(2);
const unknown = only.filter((name) => !scenes.some((scene) => scene.name === name));
if (unknown.length > 0) {
  console.error(`No such scene: ${unknown.join(', ')}. There are: ${scenes.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const wanted = only.length === 0 ? scenes.map(({ name }) => name) : only;
const last = scenes.findLastIndex(({ name }) => wanted.includes(name));

await packageExtension();
const images = join(root, 'docs/images');
mkdirSync(images, { recursive: true });
await using session = await startSession({
  prepare: prepareWorkspace,
  // It would lie over the run page.
  machineSettings: { 'tidemark.runs.progressNotification': false },
});
await using lab = await LabHost.start({
  directory: join(session.directory, 'lab'),
  name: 'hv02',
  vms: { sql01: '768MiB', web01: '64MiB' },
});
for (const { name, set, size, pointer = false } of scenes.slice(0, last + 1)) {
  const show = () => session.pictured(name, () => set({ window: session.window, lab }));
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
