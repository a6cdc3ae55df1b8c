/** A run as clients see it: its state, its one progress model, its outcome, its log. */
import * as id from '../ids.ts';
import * as model from '../model.ts';
import { array, boolean, integer, literal, object, oneOf, optional, string, union } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { retentionDecision } from './policy-model.ts';
import { runRequest } from './run-requests.ts';
import { runState } from './run-state.ts';

export const runPhase = oneOf(
  'queued',
  'connecting',
  'checkpoint',
  'extents',
  'transfer',
  'sealing',
  'reference-point',
  'committing',
  'cleaning-up',
  'reading',
  'verifying',
  'collecting',
  'finished',
);
/** Where a run is; for backups in the order of design.md's list. */
export type RunPhase = Parsed<typeof runPhase>;

export const runDiskProgress = object({
  /** A disk's; of a VM of a policy `host/name`. */
  name: string({ maxLength: 384 }),
  doneBytes: integer(),
  totalBytes: integer(),
});

export const runProgress = object({
  phase: runPhase,
  /** Percent of the host's job (checkpoint, merge) while one runs. */
  jobPercent: optional(integer(0, 100)),
  /** The disks of a VM; of the run of a policy, its VMs. */
  disks: array(runDiskProgress, 16_384),
  doneBytes: integer(),
  totalBytes: integer(),
  /** Mean of the last seconds, bytes per second. */
  bytesPerSecond: integer(),
  etaSeconds: optional(integer()),
});
/** The one progress model: trees, notifications, status bar, CLI and webview show this. */
export type RunProgress = Parsed<typeof runProgress>;

export const verifyProblem = object({
  /** The file of the repository, or the blob in it. */
  what: string({ maxLength: 1024 }),
  error: model.errorReport,
  restorePoints: array(id.restorePointId),
});
export type VerifyProblem = Parsed<typeof verifyProblem>;

export const policyRunVm = object({
  host: optional(id.nameText),
  vmId: id.vmId,
  vm: string({ maxLength: 256 }),
  /** `skipped`: it was in another run, the policy says to skip it then, or its host does not answer. */
  result: oneOf('succeeded', 'failed', 'skipped', 'cancelled'),
  /** The run of the last attempt. */
  run: optional(id.runId),
  /** How often it was tried. */
  attempts: integer(),
  restorePoint: optional(id.restorePointId),
  error: optional(model.errorReport),
  /** Why it was skipped. */
  reason: optional(string({ maxLength: 1024 })),
  warnings: array(string({ maxLength: 4096 }), 1024),
  readBytes: integer(),
  storedBytes: integer(),
  durationMs: integer(),
});
/** What became of one VM in a run of a policy. */
export type PolicyRunVm = Parsed<typeof policyRunVm>;

export const runOutcome = union('kind', {
  backup: object({ kind: literal('backup'), restorePoint: model.restorePointInfo }),
  'restore-disk': object({
    kind: literal('restore-disk'),
    target: string({ maxLength: 4096 }),
    /** Written, without holes. */
    dataBytes: integer(),
    sizeBytes: integer(),
  }),
  'restore-vm': object({
    kind: literal('restore-vm'),
    host: id.nameText,
    vmId: id.vmId,
    vmName: string({ maxLength: 256 }),
  }),
  verify: object({
    kind: literal('verify'),
    restorePoints: integer(),
    blobs: integer(),
    readBytes: integer(),
    problems: array(verifyProblem),
  }),
  prune: object({
    kind: literal('prune'),
    kept: array(id.restorePointId),
    removed: array(id.restorePointId),
    dryRun: boolean,
    /** Why each stays or goes, VM by VM, newest first. When VMs were named, only of those that go. */
    decisions: optional(array(retentionDecision)),
  }),
  gc: object({
    kind: literal('gc'),
    dryRun: boolean,
    condemnedPacks: integer(),
    condemnedBytes: integer(),
    deletedPacks: integer(),
    deletedBytes: integer(),
    repackedBytes: integer(),
    /** When condemned packs may be deleted. */
    deletableAt: optional(model.timestamp),
  }),
  policy: object({
    kind: literal('policy'),
    policy: id.policyName,
    version: integer(1),
    /** One for each VM that the policy took in. */
    vms: array(policyRunVm, 16_384),
    /** What the retention did afterwards; absent when the policy has none, or no backup succeeded. */
    retention: optional(
      object({ removed: array(id.restorePointId), kept: integer(), error: optional(model.errorReport) }),
    ),
    /** What the verification found; absent when none was due. */
    verification: optional(
      object({
        run: optional(id.runId),
        restorePoints: integer(),
        problems: integer(),
        error: optional(model.errorReport),
      }),
    ),
  }),
});
/** What a run has to show: one that succeeded, or the run of a policy in which some VMs failed. */
export type RunOutcome = Parsed<typeof runOutcome>;

export const runInfo = object({
  id: id.runId,
  /** The run of the policy that this one is part of. */
  parent: optional(id.runId),
  request: runRequest,
  /** What it is about, for people: `hv01/sql01 → main`. */
  title: string({ maxLength: 1024 }),
  state: runState,
  queuedAt: model.timestamp,
  startedAt: optional(model.timestamp),
  finishedAt: optional(model.timestamp),
  progress: runProgress,
  warnings: array(string({ maxLength: 4096 }), 1024),
  error: optional(model.errorReport),
  outcome: optional(runOutcome),
  /** The version of the policy that it carried out, where there is no outcome to say so: the daemon was killed meanwhile. */
  policyVersion: optional(integer(1)),
  /** Counts every change of this run, so that a client can tell old from new. */
  sequence: integer(),
});
export type RunInfo = Parsed<typeof runInfo>;

export const logLine = object({
  time: model.timestamp,
  level: oneOf('debug', 'info', 'warning', 'error'),
  text: string({ maxLength: 65_536, allowEmpty: true }),
});
export type LogLine = Parsed<typeof logLine>;

/** One point of a run's chart. */
export const runSample = object({
  /** Since the run started, ms. */
  atMs: integer(),
  doneBytes: integer(),
  /** Mean since the sample before. */
  bytesPerSecond: integer(),
});
export type RunSample = Parsed<typeof runSample>;
