/** Policies as the user knows them: files of the workspace and what the daemon carries out, joined by name. */
import type { AppliedPolicy } from '../../server/protocol/daemon.ts';
import type { PolicyFile } from './policy-file.ts';

/**
 * How a file and the daemon stand to each other. `applied`: they are the same; `changed`: the file differs from what was applied;
 * `not-applied`: only the file is there; `file-missing`: only the daemon has it; `unknown`: the daemon was not asked, or is away.
 */
export type PolicyState = 'applied' | 'changed' | 'not-applied' | 'file-missing' | 'unknown';

/** One policy. */
export interface PolicyEntry {
  /** The same as long as the policy exists. */
  readonly id: string;
  /** The name in the file or on the daemon; that of the file itself when it says none. */
  readonly name: string;
  /** Whether `name` is one that the daemon may know. */
  readonly named: boolean;
  readonly state: PolicyState;
  readonly file?: PolicyFile | undefined;
  readonly applied?: AppliedPolicy | undefined;
  /** Whether another file says the same name. */
  readonly twin: boolean;
}

/** Joins files with applied policies (absent when they are not known); by name, then by path. */
export function joinPolicies(
  files: readonly PolicyFile[],
  applied: readonly AppliedPolicy[] | undefined,
  suffix: string,
): readonly PolicyEntry[] {
  const byName = new Map((applied ?? []).map((policy) => [policy.name, policy]));
  const named = Map.groupBy(files, ({ content }) => content.name);
  const entries = files.map((file) => fileEntry(file, { known: applied !== undefined, byName, named, suffix }));
  const missing = (applied ?? [])
    .filter(({ name }) => !named.has(name))
    .map((policy): PolicyEntry => ({
      id: `applied/${policy.name}`,
      name: policy.name,
      named: true,
      state: 'file-missing',
      applied: policy,
      twin: false,
    }));
  return [...entries, ...missing].sort(
    (a, b) => collator.compare(a.name, b.name) || collator.compare(a.file?.path ?? '', b.file?.path ?? ''),
  );
}

interface Joining {
  readonly known: boolean;
  readonly byName: ReadonlyMap<string, AppliedPolicy>;
  readonly named: ReadonlyMap<string | undefined, readonly PolicyFile[]>;
  readonly suffix: string;
}

function fileEntry(file: PolicyFile, { known, byName, named, suffix }: Joining): PolicyEntry {
  const { name, sha256 } = file.content;
  const applied = name === undefined ? undefined : byName.get(name);
  const base = file.path.split('/').at(-1) ?? file.path;
  return {
    id: `policy/${file.uri}`,
    name: name ?? (base.endsWith(suffix) ? base.slice(0, -suffix.length) : base),
    named: name !== undefined,
    state: stateOf(known, applied, sha256),
    file,
    ...(applied === undefined ? {} : { applied }),
    twin: name !== undefined && (named.get(name)?.length ?? 0) > 1,
  };
}

function stateOf(known: boolean, applied: AppliedPolicy | undefined, sha256: string | undefined): PolicyState {
  if (!known) return 'unknown';
  if (applied === undefined) return 'not-applied';
  return applied.current.sha256 === sha256 ? 'applied' : 'changed';
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
