/** Types of zip.mjs, for tests. */
export function zipOf(files: readonly { readonly name: string; readonly file: string }[]): Buffer;
