// The server as bundles of esbuild: the `tidemark` command, the language server of policies and every worker, flat in one folder.
// Flat, because a running bundle finds its workers, and the PowerShell module, beside itself (server/base/worker-url.ts).
import { copyFileSync, cpSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import { build } from 'esbuild';

import { root } from './setup.mjs';

/** The version in package.json. */
export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const workers = () =>
  readdirSync(join(root, 'server'), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('-worker.ts'))
    .map((file) => join(root, 'server', file));

/** Bundles into `outdir`, which is emptied first. `languageServer`: with the one that editors start. Gives esbuild's metafile. */
export async function bundleServer({ outdir, languageServer, sourcemap, as = version }) {
  rmSync(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [
      { in: join(root, 'server/cli/main.ts'), out: 'tidemark' },
      ...(languageServer ? [{ in: join(root, 'server/language/main.ts'), out: 'policy-language' }] : []),
      ...workers().map((file) => ({ in: file, out: basename(file, '.ts') })),
    ],
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: 'chunk-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    inject: [join(root, 'server/base/async-disposable-stack.ts')],
    sourcemap,
    metafile: true,
    logLevel: 'warning',
    define: { TIDEMARK_VERSION: JSON.stringify(as) },
    // vscode-jsonrpc is CommonJS and calls require() for Node's own modules.
    banner: {
      js: "import { createRequire as tidemarkCreateRequire } from 'node:module';\nconst require = tidemarkCreateRequire(import.meta.url);",
    },
  });
  // FatFs (the guest's file system in `tidemark demo`) looks for its WebAssembly beside the chunk that it is bundled into.
  copyFileSync(join(root, 'node_modules/js-fatfs/dist/fatfs.wasm'), join(outdir, 'fatfs.wasm'));
  cpSync(join(root, 'server/agent/hyperv/Tidemark.HyperV'), join(outdir, 'Tidemark.HyperV'), { recursive: true });
  return metafile;
}
