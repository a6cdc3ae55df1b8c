/**
 * Client → daemon protocol, version 1: JSON-RPC 2.0 with LSP framing (vscode-jsonrpc) on a local socket or named pipe.
 *
 * The client speaks first. Before JSON-RPC both sides prove that they know the token of the rendezvous file
 * (`daemonHandshake` in this folder). Long work is a *run*: it outlives the client, and `cancelRun` alone cancels it.
 */
import * as id from './ids.ts';
import { notification, request } from './message.ts';
import * as model from './model.ts';
import { array, boolean, integer, literal, nullable, object, oneOf, optional, string, union } from './parse.ts';
import type { Parsed } from './parse.ts';

/** Lowest and highest protocol this build speaks. */
export const daemonProtocol = { min: 1, max: 1 } as const;

const nothing = object({});
const password = string({ maxLength: 1024 });

export const hello = request(
  'tidemark/daemon/hello',
  object({ protocol: object({ min: integer(1), max: integer(1) }), client: string({ maxLength: 128 }) }),
  object({ protocol: integer(1), daemonVersion: string({ maxLength: 64 }), instance: string({ maxLength: 64 }) }),
);

export const daemonStatus = object({
  version: string({ maxLength: 64 }),
  pid: integer(1),
  startedAt: model.timestamp,
  dataDirectory: string({ maxLength: 4096 }),
  logFile: string({ maxLength: 4096 }),
  activeRuns: integer(),
  hosts: integer(),
  repositories: integer(),
});
export type DaemonStatus = Parsed<typeof daemonStatus>;
export const getDaemonStatus = request('tidemark/daemon/status', nothing, daemonStatus);

/** Stops the daemon. While runs are active it refuses with `TM5005` unless `cancelRuns` is set. */
export const stopDaemon = request('tidemark/daemon/stop', object({ cancelRuns: boolean }), nothing);

export const hostState = union('state', {
  reachable: object({ state: literal('reachable'), info: model.hostInfo, agentVersion: string({ maxLength: 64 }) }),
  unreachable: object({ state: literal('unreachable'), since: model.timestamp, error: model.errorReport }),
  unknown: object({ state: literal('unknown') }),
});
export type HostState = Parsed<typeof hostState>;

export const hostEntry = object({
  name: id.nameText,
  url: string({ maxLength: 2048 }),
  /** Disk parts exported at a time. */
  threads: integer(1, 16),
  /** SHA-256 of the agent's certificate, hex, for https; checked at each connection. */
  certificateSha256: optional(string({ maxLength: 64 })),
  status: hostState,
  warnings: array(string({ maxLength: 1024 }), 16),
});
export type HostEntry = Parsed<typeof hostEntry>;

/** Adds a host after a successful connection test. */
export const addHost = request(
  'tidemark/host/add',
  object({ name: id.nameText, url: string({ maxLength: 2048 }), password, threads: integer(1, 16), replace: boolean }),
  object({ host: hostEntry }),
);
export const listHosts = request('tidemark/host/list', nothing, object({ hosts: array(hostEntry, 4096) }));
export const testHost = request('tidemark/host/test', object({ name: id.nameText }), object({ host: hostEntry }));
export const removeHost = request('tidemark/host/remove', object({ name: id.nameText }), nothing);

export const vmEntry = object({
  host: id.nameText,
  vm: model.vmInfo,
  lastRestorePoint: optional(object({ id: id.restorePointId, createdAt: model.timestamp, repository: id.nameText })),
});
export type VmEntry = Parsed<typeof vmEntry>;

/** VMs of one host or of all; hosts that do not answer are named with the reason. */
export const listVms = request(
  'tidemark/vm/list',
  object({ host: optional(id.nameText) }),
  object({
    vms: array(vmEntry),
    unreachable: array(object({ host: id.nameText, error: model.errorReport }), 4096),
  }),
);

export const repositoryEntry = object({
  name: id.nameText,
  location: string({ maxLength: 4096 }),
  id: id.repositoryId,
});
export type RepositoryEntry = Parsed<typeof repositoryEntry>;

export const repositoryStatus = object({
  entry: repositoryEntry,
  restorePoints: integer(),
  vms: integer(),
  /** Size of all files. */
  storedBytes: integer(),
  /** What the restore points hold, added up: each disk's data without its zeros. */
  logicalBytes: integer(),
  /** Distinct chunks, before compression. */
  uniqueBytes: integer(),
  /** In packs, needed by no restore point. */
  unusedBytes: integer(),
  freeBytes: nullable(integer()),
  warnings: array(string({ maxLength: 4096 }), 64),
});
export type RepositoryStatus = Parsed<typeof repositoryStatus>;

/** Creates a repository at `location`, or with `attach` takes in the one that is there. */
export const initRepository = request(
  'tidemark/repository/init',
  object({ name: id.nameText, location: string({ maxLength: 4096 }), password, attach: boolean }),
  object({ repository: repositoryEntry, recoveryKey: optional(string({ maxLength: 256 })) }),
);
export const listRepositories = request(
  'tidemark/repository/list',
  nothing,
  object({ repositories: array(repositoryEntry, 1024) }),
);
export const getRepositoryStatus = request(
  'tidemark/repository/status',
  object({ name: id.nameText }),
  repositoryStatus,
);

export const listRestorePoints = request(
  'tidemark/restorePoint/list',
  object({
    repository: optional(id.nameText),
    /** A VM's name or id. */
    vm: optional(string({ maxLength: 256 })),
  }),
  object({
    restorePoints: array(model.restorePointInfo),
    /** Restore points that cannot be read, with the reason: never hidden. */
    damaged: array(object({ repository: id.nameText, file: string({ maxLength: 1024 }), error: model.errorReport })),
  }),
);
export const getRestorePoint = request(
  'tidemark/restorePoint/get',
  object({ id: id.restorePointId, repository: optional(id.nameText) }),
  object({ restorePoint: model.restorePointInfo }),
);
export const deleteRestorePoint = request(
  'tidemark/restorePoint/delete',
  object({ id: id.restorePointId, repository: optional(id.nameText) }),
  nothing,
);

// Runs

export const backupRequest = object({
  kind: literal('backup'),
  /** Host name; any host that has the VM when absent. */
  host: optional(id.nameText),
  /** A VM's name or id. */
  vm: string({ maxLength: 256 }),
  repository: id.nameText,
  type: oneOf('full', 'incremental'),
  consistency: oneOf('application', 'crash', 'application-or-crash'),
  /** Names of disks to leave out; `*` and `?` are wildcards. */
  excludeDisks: array(string({ maxLength: 128 }), 256),
  /** Chunk size of disks that have none yet; the default follows from the disk's size. */
  chunkBytes: optional(integer(65_536, 4_194_304)),
});
export const restoreDiskRequest = object({
  kind: literal('restore-disk'),
  repository: optional(id.nameText),
  restorePoint: id.restorePointId,
  /** Name or id of the disk. */
  disk: string({ maxLength: 128 }),
  /** Absolute path on the daemon's machine. */
  target: string({ maxLength: 4096 }),
  format: oneOf('vhdx', 'raw'),
  overwrite: boolean,
});
export const restoreVmRequest = object({
  kind: literal('restore-vm'),
  repository: optional(id.nameText),
  restorePoint: id.restorePointId,
  host: id.nameText,
  name: optional(string({ maxLength: 256 })),
  connectNetwork: boolean,
});
export const verifyRequest = object({ kind: literal('verify'), repository: id.nameText, readData: boolean });
export const pruneRequest = object({
  kind: literal('prune'),
  repository: id.nameText,
  /** Restore points to keep per VM, newest first; at least 1. */
  keepLast: integer(1),
  dryRun: boolean,
});
export const gcRequest = object({
  kind: literal('gc'),
  repository: id.nameText,
  dryRun: boolean,
  /** Delete without waiting the grace period; needs that no other writer uses the repository. */
  now: boolean,
});
export const runRequest = union('kind', {
  backup: backupRequest,
  'restore-disk': restoreDiskRequest,
  'restore-vm': restoreVmRequest,
  verify: verifyRequest,
  prune: pruneRequest,
  gc: gcRequest,
});
/** What a run is asked to do. */
export type RunRequest = Parsed<typeof runRequest>;
export type BackupRequest = Parsed<typeof backupRequest>;
export type RestoreDiskRequest = Parsed<typeof restoreDiskRequest>;
export type RestoreVmRequest = Parsed<typeof restoreVmRequest>;
export type VerifyRequest = Parsed<typeof verifyRequest>;
export type PruneRequest = Parsed<typeof pruneRequest>;
export type GcRequest = Parsed<typeof gcRequest>;

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
  name: string({ maxLength: 128 }),
  doneBytes: integer(),
  totalBytes: integer(),
});

export const runProgress = object({
  phase: runPhase,
  /** Percent of the host's job (checkpoint, merge) while one runs. */
  jobPercent: optional(integer(0, 100)),
  disks: array(runDiskProgress, 256),
  doneBytes: integer(),
  totalBytes: integer(),
  /** Mean of the last seconds, bytes per second. */
  bytesPerSecond: integer(),
  etaSeconds: optional(integer()),
});
/** The one progress model: trees, notifications, status bar, CLI and webview show this. */
export type RunProgress = Parsed<typeof runProgress>;

export const runState = oneOf('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'interrupted');
export type RunState = Parsed<typeof runState>;

export const verifyProblem = object({
  /** The file of the repository, or the blob in it. */
  what: string({ maxLength: 1024 }),
  error: model.errorReport,
  restorePoints: array(id.restorePointId),
});
export type VerifyProblem = Parsed<typeof verifyProblem>;

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
});
/** What a run that succeeded has to show. */
export type RunOutcome = Parsed<typeof runOutcome>;

export const runInfo = object({
  id: id.runId,
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
  /** Counts every change of this run, so that a client can tell old from new. */
  sequence: integer(),
});
export type RunInfo = Parsed<typeof runInfo>;

/** Starts a run and returns at once. The same `key` returns the run that was started with it. A VM that is in a run already: `TM5102`. */
export const startRun = request(
  'tidemark/run/start',
  object({ request: runRequest, key: optional(string({ maxLength: 64 })) }),
  object({ run: runInfo }),
);
export const listRuns = request(
  'tidemark/run/list',
  object({ limit: integer(1, 10_000) }),
  object({ runs: array(runInfo) }),
);
export const getRun = request('tidemark/run/get', object({ id: id.runId }), object({ run: runInfo }));
/** Asks a run to stop; it cleans up first. Ended runs are left as they are. */
export const cancelRun = request('tidemark/run/cancel', object({ id: id.runId }), object({ run: runInfo }));

export const logLine = object({
  time: model.timestamp,
  level: oneOf('debug', 'info', 'warning', 'error'),
  text: string({ maxLength: 65_536, allowEmpty: true }),
});
export type LogLine = Parsed<typeof logLine>;
export const getRunLog = request(
  'tidemark/run/log',
  object({ id: id.runId, fromLine: integer() }),
  object({ lines: array(logLine), nextLine: integer() }),
);

/** From now on this connection gets `runDidChange` for the run, or for all runs; the answer is the state now. */
export const subscribeRuns = request(
  'tidemark/run/subscribe',
  object({ id: optional(id.runId) }),
  object({ runs: array(runInfo) }),
);
/** A subscribed run changed; at most ten times a second for each run, the last state always. */
export const runDidChange = notification('tidemark/run/didChange', object({ run: runInfo }));
