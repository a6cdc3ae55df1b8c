// Bundles both sides with esbuild: the server in dist/server; the client, as CommonJS, which is what VS Code loads, in dist/client.
import { rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { build } from 'esbuild';

import { bundleServer } from './server-bundle.mjs';
import { root } from './setup.mjs';

const server = await bundleServer({ outdir: join(root, 'dist/server'), languageServer: true, sourcemap: true });

rmSync(join(root, 'dist/client'), { recursive: true, force: true });
const client = await build({
  entryPoints: [
    { in: join(root, 'client/extension.ts'), out: 'extension' },
    // Loaded when the first policy file is open: what activation does not need does not cost it anything.
    { in: join(root, 'client/policy/language-client.ts'), out: 'policy-language-client' },
  ],
  outdir: join(root, 'dist/client'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node22.15',
  // VS Code gives this module; it is no file.
  external: ['vscode'],
  // Before anything is loaded; client/extension.ts reads it.
  banner: {
    js: 'var tidemarkLoadStarted={at:performance.now(),cpu:(process.threadCpuUsage??process.cpuUsage).call(process)};',
  },
  inject: [join(root, 'server/base/async-disposable-stack.ts')],
  // Parsed at each activation: half the size is half the time.
  minify: true,
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
});

// The script of the run page, which runs in the webview.
const page = await build({
  entryPoints: [{ in: join(root, 'client/run-page/webview/main.ts'), out: 'run-page' }],
  outdir: join(root, 'dist/client'),
  bundle: true,
  format: 'iife',
  platform: 'browser',
  target: 'chrome128',
  minify: true,
  metafile: true,
  logLevel: 'warning',
});

for (const [file, { bytes }] of [server, client.metafile, page.metafile].flatMap(({ outputs }) =>
  Object.entries(outputs),
)) {
  if (!file.endsWith('.map'))
    console.log(`${relative(root, file).padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
}
