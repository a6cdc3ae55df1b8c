/** What the parts of the daemon know of policies from each other. */
import type { AppliedPolicy, NextRun, PolicyVersion } from '../../protocol/daemon.ts';
import type { Policy } from '../../policy/index.ts';

/** One version of a policy, parsed. */
export interface PolicyRecord {
  readonly name: string;
  readonly version: PolicyVersion;
  /** As it was applied. */
  readonly text: string;
  readonly policy: Policy;
}

/** A policy that is carried out. */
export interface ActivePolicy extends PolicyRecord {
  /** Nothing is started by schedule while it is set and `until` has not come. */
  readonly paused: AppliedPolicy['paused'];
}

/** The applied policies. */
export interface Policies {
  /** Those that can be carried out, by name. */
  list(): readonly ActivePolicy[];
  /** Throws `TM7002`, and `TM7001` for one that this version cannot read. */
  get(name: string): ActivePolicy;
  /** A version that is or was applied, also of a deleted policy. Throws `TM7002`. */
  version(name: string, version: number): PolicyRecord;
  /** Calls `listener` after a policy was applied, rolled back, paused, resumed or deleted, until disposed. */
  onChange(listener: (name: string) => void): Disposable;
}

/** What lists of policies show of the schedule. */
export interface ScheduleView {
  /** Undefined for a policy that is paused, has no schedule, or is unknown. */
  nextRun(name: string): NextRun | undefined;
}
