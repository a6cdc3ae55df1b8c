/** One deliberate mistake in a copy of the module, of the provider, or of both. The originals are never touched. */
import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build as bundle } from 'esbuild';
import type { Plugin } from 'esbuild';

import type { createHyperVProvider } from '../../../../server/agent/hyperv/index.ts';
import { modulePath } from '../../../support/hyperv/module-shell.ts';

/** A text of one file and what stands there instead. `file` is a part of the module (`.ps1`) or of the provider (`.ts`). */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const providerFolder = fileURLToPath(new URL('../../../../server/agent/hyperv/', import.meta.url));
/** What the PowerShell of the tests uses too is not copied: classes of errors are known by identity. */
const shared = /^(powershell[\\/]|failures[\\/]errors\.ts$)/;

/** The text with the edit in it. Throws when the place is not there, or not the only one: the mutation would test nothing. */
function edited(text: string, { file, from, to }: Edit): string {
  assert.equal(text.split(from).length, 2, `${file} has this once: ${from}`);
  return text.replace(from, () => to);
}

/** Puts a copy of the module with the edits into `folder`; the path of its manifest. */
export async function mutatedModule(edits: readonly Edit[], folder: string): Promise<string> {
  const ours = edits.filter(({ file }) => file.endsWith('.ps1'));
  if (ours.length === 0) return modulePath;
  const copy = join(folder, 'Tidemark.HyperV');
  await cp(dirname(modulePath), copy, { recursive: true });
  for (const edit of ours) {
    const path = join(copy, edit.file);
    await writeFile(path, edited(await readFile(path, 'utf8'), edit));
  }
  return join(copy, 'Tidemark.HyperV.psd1');
}

/** The provider with the edits in it, bundled into `folder`. */
export async function mutatedProvider(
  edits: readonly Edit[],
  folder: string,
): Promise<typeof createHyperVProvider | undefined> {
  const ours = edits.filter(({ file }) => file.endsWith('.ts'));
  if (ours.length === 0) return undefined;
  const outfile = join(folder, 'provider.mjs');
  const left = new Set(ours);
  await bundle({
    entryPoints: [join(providerFolder, 'index.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'silent',
    plugins: [mutating(left)],
  });
  assert.deepEqual([...left], [], 'every edited file is part of the provider');
  const mutated: unknown = await import(pathToFileURL(outfile).href);
  assert.ok(isProviderModule(mutated));
  return mutated.createHyperVProvider;
}

function mutating(left: Set<Edit>): Plugin {
  return {
    name: 'mutation',
    setup: (build) => {
      build.onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
        if (kind === 'entry-point') return undefined;
        const full = resolve(resolveDir, path);
        const isCopied = full.startsWith(providerFolder) && !shared.test(full.slice(providerFolder.length));
        return isCopied ? { path: full } : { path: pathToFileURL(full).href, external: true };
      });
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        let contents = await readFile(path, 'utf8');
        for (const edit of left) {
          if (join(providerFolder, edit.file) !== path) continue;
          contents = edited(contents, edit);
          left.delete(edit);
        }
        return { contents, loader: 'ts' };
      });
    },
  };
}

function isProviderModule(value: unknown): value is { readonly createHyperVProvider: typeof createHyperVProvider } {
  return typeof value === 'object' && value !== null && 'createHyperVProvider' in value;
}
