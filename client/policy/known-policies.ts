/** The policies of this window: the files of the workspace and the applied ones, joined once for each change. */
import { policySuffix } from '../contributions.ts';
import type { Stores } from '../stores/index.ts';
import { joinPolicies } from './policy-entries.ts';
import type { PolicyEntry } from './policy-entries.ts';
import type { PolicyFile } from './policy-file.ts';

/** What is joined. */
export interface PolicySources {
  readonly files: { readonly files: readonly PolicyFile[]; load(): Promise<void> | undefined };
  readonly policies: Stores['policies'];
}

export class KnownPolicies {
  readonly #sources: PolicySources;
  #joined: { readonly files: unknown; readonly applied: unknown; readonly entries: readonly PolicyEntry[] } | undefined;

  constructor(sources: PolicySources) {
    this.#sources = sources;
  }

  /** All policies, by name. Before they were read: what is known. */
  get entries(): readonly PolicyEntry[] {
    const { files } = this.#sources.files;
    const { value, readAt } = this.#sources.policies.policies;
    const applied = readAt === undefined ? undefined : value;
    if (this.#joined?.files !== files || this.#joined.applied !== applied)
      this.#joined = { files, applied, entries: joinPolicies(files, applied, policySuffix) };
    return this.#joined.entries;
  }

  /** Reads what was not read, and gives all policies. Throws why the applied ones cannot be read when nothing of them is known. */
  async read(): Promise<readonly PolicyEntry[]> {
    const { files, policies } = this.#sources;
    await Promise.all([files.load(), policies.load()]);
    const { readAt, error } = policies.policies;
    if (readAt === undefined && error !== undefined) throw error;
    return this.entries;
  }
}
