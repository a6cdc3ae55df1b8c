/** Types of folder.mjs, for tests. */
export function filesOf(folder: string): { readonly name: string; readonly file: string }[];
export function makeFolder(options?: {
  readonly under?: string;
  readonly nodeKey?: string;
  readonly as?: string;
}): Promise<string>;
