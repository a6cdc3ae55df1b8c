/** Bundles the suite of test/extension as a small extension: an extension host gives the `vscode` module to extensions only. */
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { build } from 'esbuild';

import { repositoryRoot } from './labels.ts';

/** What VS Code must know of the companion: it runs where the extension under test runs, and in every kind of window. */
const manifest = {
  name: 'tidemark-tests',
  publisher: 'tidemark',
  version: '0.0.0',
  engines: { vscode: '*' },
  extensionKind: ['workspace'],
  capabilities: { untrustedWorkspaces: { supported: true }, virtualWorkspaces: true },
};

/** Builds dist/test-extension and gives its path. One bundle a test file, and `index.cjs`, which runs them. */
export async function bundleSuite(): Promise<string> {
  const directory = join(repositoryRoot, 'dist/test-extension');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  await build({
    entryPoints: ['index.ts', '*.test.ts']
      .flatMap((pattern) => globSync(join(repositoryRoot, 'test/extension', pattern)))
      .map((file) => ({ in: file, out: basename(file, '.ts') })),
    outdir: directory,
    bundle: true,
    // With "type": "module" in the manifest of the extension VS Code takes a .js for a module; both bundles are alike.
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    target: 'node22.15',
    external: ['vscode'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  return directory;
}
