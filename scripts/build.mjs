// Bundles the server side with esbuild: the `tidemark` command and every worker, flat in dist/server.
// Flat, because a running bundle finds its workers beside itself (server/base/worker-url.ts).
import { copyFileSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const workers = readdirSync(join(root, 'server'), { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('-worker.ts'))
  .map((file) => join(root, 'server', file));

rmSync(join(root, 'dist/server'), { recursive: true, force: true });
const result = await build({
  entryPoints: [
    { in: join(root, 'server/cli/main.ts'), out: 'tidemark' },
    ...workers.map((file) => ({ in: file, out: basename(file, '.ts') })),
  ],
  outdir: join(root, 'dist/server'),
  bundle: true,
  splitting: true,
  chunkNames: 'chunk-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node22.15',
  inject: [join(root, 'server/base/async-disposable-stack.ts')],
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
  define: { TIDEMARK_VERSION: JSON.stringify(version) },
  // vscode-jsonrpc is CommonJS and calls require() for Node's own modules.
  banner: {
    js: "import { createRequire as tidemarkCreateRequire } from 'node:module';\nconst require = tidemarkCreateRequire(import.meta.url);",
  },
});

// FatFs (the guest's file system in `tidemark demo`) looks for its WebAssembly beside the chunk that it is bundled into.
copyFileSync(join(root, 'node_modules/js-fatfs/dist/fatfs.wasm'), join(root, 'dist/server/fatfs.wasm'));

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  if (!file.endsWith('.map'))
    console.log(`${relative(root, file).padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
}
