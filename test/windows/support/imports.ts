/** What the JavaScript of a package imports, as a bundler reads it: as Node does, and not by a pattern. */
import { builtinModules } from 'node:module';
import { join, relative, resolve } from 'node:path';

import { build } from 'esbuild';

import { filesOf } from '../../../scripts/agent-package/folder.mjs';
import { array, object, string } from '../../../server/protocol/parse.ts';
import { workFolder } from './packages.ts';

/** Everything that files of the package import and that is neither a module of Node nor a file of the package. */
export async function importsFromOutside(folder: string): Promise<readonly string[]> {
  const scripts = filesOf(folder).filter(({ name }) => name.endsWith('.js'));
  if (scripts.length === 0) throw new Error(`${folder} has no scripts`);
  const settings = { bundle: true, write: false, metafile: true, platform: 'node', format: 'esm' } as const;
  try {
    const { metafile } = await build({
      ...settings,
      entryPoints: scripts.map(({ file }) => file),
      outdir: join(workFolder(), 'bundled'),
      logLevel: 'silent',
    });
    return Object.entries(metafile.inputs).flatMap(([file, { imports }]) => [
      ...(relative(folder, resolve(file)).startsWith('..') ? [file] : []),
      ...imports
        .filter(
          ({ path, external }) => external === true && !path.startsWith('node:') && !builtinModules.includes(path),
        )
        .map(({ path }) => path),
    ]);
  } catch (error) {
    return unresolved(error);
  }
}

/** What the bundler could not find, in its words. */
function unresolved(error: unknown): readonly string[] {
  if (!(error instanceof Error) || !('errors' in error) || !Array.isArray(error.errors)) throw error;
  return array(object({ text: string() }))(error.errors, 'errors').map(({ text }) => text);
}
