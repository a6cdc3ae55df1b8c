/** The applied policies: kept with every version there ever was, parsed once, and changed only as a whole. */
import { createHash } from 'node:crypto';

import type { Logger } from '../../base/log.ts';
import { parsePolicy } from '../../policy/index.ts';
import type { Policy } from '../../policy/index.ts';
import type { PolicyPause, PolicyVersion } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { PolicyStore, StoredPolicy, StoredVersion } from '../store/policy-store.ts';
import type { ActivePolicy, Policies, PolicyRecord } from './api.ts';
import { activePause } from './applied.ts';

/** A text and who applies it. The text must be accepted already: `policy` is what it says. */
export interface NewVersion {
  readonly text: string;
  readonly policy: Policy;
  /** `anna@laptop`. */
  readonly by: string;
  readonly source?: string | undefined;
  /** The version that must be the applied one; 0: none is. Not looked at when absent. */
  readonly expectedVersion?: number | undefined;
  /** The version that a rollback brings back. */
  readonly restored?: number | undefined;
}

/** A policy as it is kept, whether this version can carry it out or not. */
export interface KeptPolicy extends StoredPolicy {
  /** Undefined when this version cannot parse the text; `problem` says why. */
  readonly policy: Policy | undefined;
  readonly problem: string | undefined;
}

/** More policies than these nobody has; each is compared with the others. */
const maxPolicies = 2000;

/** Policies by name. Everything is durable when a method returns. */
export class PolicyRegistry implements Policies {
  readonly #store: PolicyStore;
  readonly #log: Logger;
  readonly #now: () => Date;
  readonly #kept = new Map<string, KeptPolicy>();
  readonly #listeners = new Set<(name: string) => void>();

  constructor(store: PolicyStore, log: Logger, now: () => Date = () => new Date()) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
    for (const stored of store.applied()) {
      const kept = keep(stored);
      this.#kept.set(kept.name, kept);
      if (kept.problem !== undefined) log.log('error', `Policy ${kept.name} is not carried out: ${kept.problem}`);
    }
  }

  list(): readonly ActivePolicy[] {
    return this.kept().flatMap((kept) => active(kept) ?? []);
  }

  /** Also those that cannot be carried out, by name. */
  kept(): readonly KeptPolicy[] {
    return [...this.#kept.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): ActivePolicy {
    const kept = this.getKept(name);
    const found = active(kept);
    if (found !== undefined) return found;
    throw new TidemarkError(errorCodes.policyInvalid, `Policy ${name} cannot be carried out: ${kept.problem ?? ''}`, {
      hint: 'Apply it again from its file.',
    });
  }

  /** As `get`, also one that cannot be carried out. Throws `TM7002`. */
  getKept(name: string): KeptPolicy {
    const kept = this.#kept.get(name);
    if (kept === undefined) throw notFound(`There is no policy named ${name}.`);
    return kept;
  }

  version(name: string, version: number): PolicyRecord {
    const stored = this.text(name, version);
    const { policy } = parsePolicy(stored.text);
    if (policy !== undefined) return { name, ...stored, policy };
    throw new TidemarkError(
      errorCodes.policyInvalid,
      `Version ${version} of policy ${name} cannot be read by this version of Tidemark.`,
      { hint: 'Apply the policy again from its file.' },
    );
  }

  /** The text of a version, the newest when none is named; also of a deleted policy. Throws `TM7002`. */
  text(name: string, version: number | undefined): StoredVersion {
    const stored = this.#store.version(name, version);
    if (stored !== undefined) return stored;
    if (version === undefined || this.#store.version(name, undefined) === undefined)
      throw notFound(`There never was a policy named ${name}.`);
    throw notFound(
      `Policy ${name} has no version ${version}.`,
      `\`tidemark policy history ${name}\` shows its versions.`,
    );
  }

  /** Newest first. Throws `TM7002` when there never was such a policy. */
  history(name: string): readonly PolicyVersion[] {
    const versions = this.#store.history(name);
    if (versions.length === 0) throw notFound(`There never was a policy named ${name}.`);
    return versions;
  }

  /** Applies a version; false when its text is the applied one already. Throws `TM7003`, and `TM5005` when there are too many. */
  apply(added: NewVersion): boolean {
    const { text, policy, restored } = added;
    const { name } = policy;
    const current = this.#kept.get(name);
    refuseChanged(name, current, added.expectedVersion);
    const sha256 = createHash('sha256').update(text, 'utf8').digest('hex');
    if (current?.version.sha256 === sha256 && current.policy !== undefined) return false;
    if (current === undefined && this.#kept.size >= maxPolicies) {
      throw new TidemarkError(errorCodes.daemonBusy, `${maxPolicies} policies are applied already.`, {
        hint: 'Delete some, or let one policy select more VMs.',
      });
    }
    const version: PolicyVersion = {
      version: this.#nextVersion(name),
      sha256,
      at: this.#now().toISOString(),
      by: added.by,
      ...(added.source === undefined ? {} : { source: added.source }),
      change: restored === undefined ? 'applied' : 'rolled-back',
      ...(restored === undefined ? {} : { restored }),
    };
    this.#store.apply(name, { version, text }, policy.repository);
    const { paused, lastSuccessAt } = current ?? {};
    const { repository } = policy;
    this.#kept.set(name, { name, version, text, policy, repository, paused, lastSuccessAt, problem: undefined });
    this.#log.log('info', `Policy ${name}: version ${version.version} applied by ${added.by}`);
    this.#changed(name);
    return true;
  }

  /** Its history stays. Throws `TM7002`. */
  delete(name: string, by: string): void {
    const { version, text } = this.getKept(name);
    const entry: PolicyVersion = {
      version: this.#nextVersion(name),
      sha256: version.sha256,
      at: this.#now().toISOString(),
      by,
      change: 'deleted',
    };
    this.#store.remove(name, { version: entry, text });
    this.#kept.delete(name);
    this.#log.log('info', `Policy ${name} was deleted by ${by}`);
    this.#changed(name);
  }

  /** Starts nothing by schedule until resumed, or until a moment. Throws `TM7002`. */
  pause(name: string, by: string, until: string | undefined): void {
    const since = this.#now().toISOString();
    this.#setPaused(name, { since, by, ...(until === undefined ? {} : { until }) });
    this.#log.log('info', `Policy ${name} was paused by ${by}${until === undefined ? '' : ` until ${until}`}`);
  }

  /** False when it was not paused, or the pause was over. Throws `TM7002`. */
  resume(name: string, by: string): boolean {
    const { paused } = this.getKept(name);
    if (paused === undefined) return false;
    this.#setPaused(name, undefined);
    this.#log.log('info', `Policy ${name} was resumed by ${by}`);
    return activePause(paused, this.#now().getTime()) !== undefined;
  }

  /** A run of this version backed up everything that it takes in. Of a policy that was deleted since, one that has its name now knows nothing. */
  succeeded(name: string, version: number, at: string): void {
    const kept = this.#kept.get(name);
    const deleted = this.#store.history(name).find(({ change }) => change === 'deleted');
    if (kept === undefined || (deleted !== undefined && version < deleted.version)) return;
    this.#store.setLastSuccess(name, at);
    this.#kept.set(name, { ...kept, lastSuccessAt: at });
  }

  onChange(listener: (name: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #setPaused(name: string, paused: PolicyPause | undefined): void {
    const kept = this.getKept(name);
    this.#store.setPaused(name, paused);
    this.#kept.set(name, { ...kept, paused });
    this.#changed(name);
  }

  #nextVersion(name: string): number {
    return (this.#store.version(name, undefined)?.version.version ?? 0) + 1;
  }

  #changed(name: string): void {
    for (const listener of this.#listeners) {
      try {
        listener(name);
      } catch (error) {
        this.#log.log('error', `After policy ${name} changed something failed`, error);
      }
    }
  }
}

/** Parsed anew at each start: what a version of Tidemark can read, another may not. */
function keep(stored: StoredPolicy): KeptPolicy {
  const { policy, diagnostics } = parsePolicy(stored.text);
  if (policy?.name === stored.name) return { ...stored, policy, problem: undefined };
  const error = diagnostics.find(({ severity }) => severity === 'error');
  const why = error?.message ?? 'it has another name.';
  return { ...stored, policy: undefined, problem: `This version of Tidemark cannot read it: ${why}` };
}

function active(kept: KeptPolicy): ActivePolicy | undefined {
  const { name, version, text, policy, paused } = kept;
  return policy === undefined ? undefined : { name, version, text, policy, paused };
}

function refuseChanged(name: string, current: KeptPolicy | undefined, expected: number | undefined): void {
  const applied = current?.version.version ?? 0;
  if (expected === undefined || expected === applied) return;
  const now = current === undefined ? 'It is not applied now' : `Version ${applied} is applied now`;
  const who = current === undefined ? '' : `, since ${current.version.at}, by ${current.version.by}`;
  throw new TidemarkError(errorCodes.policyChanged, `Policy ${name} was changed meanwhile. ${now}${who}.`, {
    hint: 'Look at the difference, then plan and apply again.',
  });
}

function notFound(message: string, hint = '`tidemark policy list` shows them.'): TidemarkError {
  return new TidemarkError(errorCodes.policyNotFound, message, { hint });
}
