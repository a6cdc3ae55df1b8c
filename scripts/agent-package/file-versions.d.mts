/** Types of file-versions.mjs, for tests. */
export function fileVersionOf(program: Buffer): string;
