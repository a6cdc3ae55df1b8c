/** What the daemon remembers of policies. Everything is durable when a method returns. */
import type { AppliedPolicy, PolicyVersion } from '../../protocol/daemon.ts';

/** A version of a policy and its text. */
export interface StoredVersion {
  readonly version: PolicyVersion;
  readonly text: string;
}

/** A policy that is applied. */
export interface StoredPolicy extends StoredVersion {
  readonly name: string;
  /** The repository that its text named when it was applied: known also when this version cannot read the text. */
  readonly repository: string;
  readonly paused: AppliedPolicy['paused'];
  /** When everything that it takes in was last backed up. */
  readonly lastSuccessAt: string | undefined;
}

/** The policies in the daemon's database. Versions are never changed or deleted. */
export interface PolicyStore {
  /** By name. */
  applied(): readonly StoredPolicy[];
  /** Adds a version; it is the applied one from now on. */
  apply(name: string, added: StoredVersion, repository: string): void;
  /** Adds the entry of a deletion; nothing of that name is applied from now on. */
  remove(name: string, added: StoredVersion): void;
  setPaused(name: string, paused: AppliedPolicy['paused']): void;
  setLastSuccess(name: string, at: string): void;
  /** Newest first; empty when there never was such a policy. */
  history(name: string): readonly PolicyVersion[];
  /** The newest one when no number is given. */
  version(name: string, version: number | undefined): StoredVersion | undefined;
}
