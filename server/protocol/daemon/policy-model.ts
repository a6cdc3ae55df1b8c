/** Policies as the daemon has them, and what a plan says. */
import * as id from '../ids.ts';
import { timestamp } from '../model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { runState } from './run-state.ts';

/** Largest text of a policy, in UTF-16 units. */
export const policyText = string({ maxLength: 256 * 1024 });

/** Who does something, as their client says: `anna@laptop`. */
export const personName = string({ maxLength: 256, pattern: /^\P{Cc}+$/u, what: 'a name without control characters' });

export const policyVersion = object({
  /** Counted from 1, on after a deletion. */
  version: integer(1),
  /** SHA-256 of the text in UTF-8, hex. */
  sha256: string({ maxLength: 64, pattern: /^[0-9a-f]{64}$/ }),
  at: timestamp,
  /** Who applied it, as their client says: `anna@laptop`. */
  by: string({ maxLength: 256 }),
  /** Where the text came from: a path or a URI. */
  source: optional(string({ maxLength: 4096 })),
  change: oneOf('applied', 'rolled-back', 'deleted'),
  /** The version that a rollback brought back. */
  restored: optional(integer(1)),
});
/** One entry of a policy's history. */
export type PolicyVersion = Parsed<typeof policyVersion>;

export const nextRun = object({
  at: timestamp,
  type: oneOf('full', 'incremental'),
});
export type NextRun = Parsed<typeof nextRun>;

/** Nothing is started by schedule until somebody resumes, or until a moment. */
export const policyPause = object({ since: timestamp, by: string({ maxLength: 256 }), until: optional(timestamp) });
export type PolicyPause = Parsed<typeof policyPause>;

export const appliedPolicy = object({
  name: id.policyName,
  description: optional(string({ maxLength: 1024 })),
  repository: id.nameText,
  current: policyVersion,
  /** Nothing is started by schedule while it is set. */
  paused: optional(policyPause),
  /** Where its hours are counted: a name of the IANA time zone database. */
  timezone: optional(string({ maxLength: 64 })),
  /** VMs that it takes in now, as far as the hosts are known. */
  vms: integer(),
  nextRun: optional(nextRun),
  /** The newest run of the policy, also while it is active. */
  lastRun: optional(
    object({
      id: id.runId,
      state: runState,
      startedAt: optional(timestamp),
      finishedAt: optional(timestamp),
      /** VMs whose backup succeeded, and all. */
      succeeded: integer(),
      total: integer(),
    }),
  ),
  /** When everything that it takes in was last backed up. */
  lastSuccessAt: optional(timestamp),
  /** Why it cannot be carried out as it is: its repository is gone, its host is. */
  problems: array(string({ maxLength: 4096 }), 64),
});
/** A policy that the daemon carries out. */
export type AppliedPolicy = Parsed<typeof appliedPolicy>;

const position = object({ line: integer(), character: integer() });
export const policyFinding = object({
  code: string({ maxLength: 16 }),
  severity: oneOf('error', 'warning', 'information'),
  message: string({ maxLength: 4096 }),
  /** Lines and characters count from 0, characters in UTF-16 units. */
  start: position,
  end: position,
});
/** What a check of a policy found. */
export type PolicyFinding = Parsed<typeof policyFinding>;

export const plannedVm = object({
  host: id.nameText,
  vmId: id.vmId,
  vm: string({ maxLength: 256 }),
  /** Compared with the applied version; `dropped`: only that one takes it in. */
  change: oneOf('new', 'kept', 'dropped'),
});
export type PlannedVm = Parsed<typeof plannedVm>;

export const retentionDecision = object({
  restorePoint: id.restorePointId,
  vmId: id.vmId,
  vm: string({ maxLength: 256 }),
  /** Where it was when the restore point was made. */
  host: optional(id.nameText),
  createdAt: timestamp,
  keep: boolean,
  /** Why it stays (`daily 3 of 14`, `pinned`, `the newest good one`) or goes. */
  reasons: array(string({ maxLength: 256 }), 16),
});
/** What retention does with one restore point, and why. */
export type RetentionDecision = Parsed<typeof retentionDecision>;

export const policyPlan = object({
  name: id.policyName,
  /** Where its hours are counted: a name of the IANA time zone database. */
  timezone: optional(string({ maxLength: 64 })),
  /** SHA-256 of the planned text. */
  sha256: string({ maxLength: 64 }),
  /** The applied version that it was compared with; absent when none is applied. */
  base: optional(policyVersion),
  /** Keys whose values differ: `retention.keepDaily` from `7` to `14`. Absent sides: the key is not there. */
  changes: array(
    object({
      path: string({ maxLength: 256 }),
      before: optional(string({ maxLength: 4096 })),
      after: optional(string({ maxLength: 4096 })),
    }),
    4096,
  ),
  vms: array(plannedVm),
  /** The applied version is paused, and stays so when the text is applied: `nextRuns` come once somebody resumes it, or after `until`. */
  paused: optional(policyPause),
  nextRuns: array(nextRun, 64),
  /** All restore points of the policy's VMs that the policy made, newest first; empty without `retention`. */
  retention: array(retentionDecision),
  /** True when the restore points could not be read, so that nobody knows which would go; a warning says why. */
  retentionUnknown: optional(boolean),
  /** What the check found; none is an error. */
  findings: array(policyFinding, 1024),
  /** What else is to be known: hosts that do not answer, restore points that cannot be read. */
  warnings: array(string({ maxLength: 4096 }), 1024),
});
/** What applying a policy would do. */
export type PolicyPlan = Parsed<typeof policyPlan>;
