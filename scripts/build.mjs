// Bundles both sides with esbuild.
// The server: the `tidemark` command, the language server of policies and every worker, flat in dist/server. Flat, because a running
// bundle finds its workers beside itself (server/base/worker-url.ts). The client: CommonJS, which is what VS Code loads, in dist/client.
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
    { in: join(root, 'server/language/main.ts'), out: 'policy-language' },
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

for (const [file, { bytes }] of [result, client, page].flatMap(({ metafile }) => Object.entries(metafile.outputs))) {
  if (!file.endsWith('.map'))
    console.log(`${relative(root, file).padEnd(40)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
}
