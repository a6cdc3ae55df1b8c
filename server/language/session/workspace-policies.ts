/** The policies of the workspace's files, parsed once per text. Keeps no parsed documents: there can be thousands of files. */
import { parsePolicy } from '../../policy/index.ts';
import type { OtherPolicy, PolicySource } from '../../policy/index.ts';

/** A policy file as the editor sends it. */
export interface PolicyFileText {
  readonly uri: string;
  readonly text: string;
}

/** The policies of files. Those of `before` whose text is the same are taken over; `before` itself when all are. */
export function filePolicies(files: readonly PolicyFileText[], before: readonly FilePolicy[]): readonly FilePolicy[] {
  const known = new Map(before.map((policy) => [policy.uri, policy]));
  const policies = files.map(({ uri, text }) => {
    const same = known.get(uri);
    return same?.text === text ? same : new FilePolicy(uri, text);
  });
  const same = policies.length === before.length && policies.every((policy, index) => policy === before[index]);
  return same ? before : policies;
}

/** A policy of a file that is not open. */
export class FilePolicy implements OtherPolicy {
  readonly uri: string;
  readonly text: string;
  readonly draft: OtherPolicy['draft'];
  #source: WeakRef<PolicySource> | undefined;

  constructor(uri: string, text: string) {
    this.uri = uri;
    this.text = text;
    this.draft = parsePolicy(text).draft;
  }

  /** Parsed again when it is needed: that is when something is wrong with this file and another one. */
  get source(): PolicySource {
    const known = this.#source?.deref();
    if (known !== undefined) return known;
    const source = parsePolicy(this.text);
    this.#source = new WeakRef(source);
    return source;
  }
}
