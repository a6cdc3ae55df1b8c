/** Finds the file of a worker thread, in a checkout and in a bundle alike. */

/**
 * The URL of the worker `name` (without an extension). Run from the TypeScript sources it is `<name>.ts` beside the module
 * that asks; in a bundle, whose modules all lie in one folder with the workers, it is `<name>.js` beside the module's chunk.
 *
 * @param importMetaUrl `import.meta.url` of the module that starts the worker.
 */
export function workerFile(name: string, importMetaUrl: string): URL {
  const extension = new URL(importMetaUrl).pathname.endsWith('.ts') ? '.ts' : '.js';
  return new URL(`./${name}${extension}`, importMetaUrl);
}
