/** The things Tidemark talks about, as they appear in every protocol, in the code and on screen. Times are RFC 3339 UTC; sizes are bytes. */
import * as id from './ids.ts';
import { array, boolean, integer, literal, nullable, object, oneOf, optional, string, union } from './parse.ts';
import type { Parsed } from './parse.ts';

/** A moment in UTC, RFC 3339 with `Z`. */
export const timestamp = string({
  maxLength: 40,
  pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  what: 'a time in UTC',
});

export const consistency = oneOf('application', 'crash');
/** How a recovery checkpoint was taken: by VSS in the guest, or as if power had failed. */
export type Consistency = Parsed<typeof consistency>;

export const vmState = oneOf('running', 'off', 'saved', 'paused', 'other');
export type VmState = Parsed<typeof vmState>;

/** Largest virtual disk of the VHDX format: 64 TiB (MS-VHDX 2.6.2.2). */
export const maxDiskBytes = 64 * 1024 ** 4;

export const diskInfo = object({
  id: id.diskId,
  /** File name without extension: `os`, `data`. Unique in its VM. */
  name: string({ maxLength: 128 }),
  sizeBytes: integer(0, maxDiskBytes),
  /** Bytes the disk's files take on the host. */
  fileBytes: integer(),
  format: oneOf('vhdx', 'vhd', 'vhdset', 'passthrough'),
  logicalSectorBytes: integer(512, 4096),
  physicalSectorBytes: integer(512, 4096),
  path: string({ maxLength: 4096 }),
  /** Whether this disk alone can be tracked by RCT. */
  trackable: boolean,
});
export type DiskInfo = Parsed<typeof diskInfo>;

export const vmInfo = object({
  id: id.vmId,
  name: string({ maxLength: 256 }),
  state: vmState,
  generation: integer(1, 2),
  configVersion: string({ maxLength: 16 }),
  disks: array(diskInfo, 256),
  /** Why RCT cannot be used, so that the VM cannot be backed up; empty when it can. */
  rctBlockers: array(string({ maxLength: 512 }), 64),
  /** Open recovery checkpoints, of anybody. */
  checkpointCount: integer(0, 65_536),
});
export type VmInfo = Parsed<typeof vmInfo>;

export const hostInfo = object({
  name: string({ maxLength: 256 }),
  provider: oneOf('simulated', 'hyperv'),
  /** Windows build number: 14393 Server 2016, 17763 Server 2019, 20348 Server 2022, 26100 Server 2025. */
  build: integer(0, 1_000_000),
  osName: string({ maxLength: 128 }),
});
export type HostInfo = Parsed<typeof hostInfo>;

/** One disk as a checkpoint froze it. */
export const frozenDisk = object({
  id: id.diskId,
  name: string({ maxLength: 128 }),
  sizeBytes: integer(0, maxDiskBytes),
  logicalSectorBytes: integer(512, 4096),
  physicalSectorBytes: integer(512, 4096),
  /** Whether RCT tracks this disk. One that it does not is read in full each time. */
  trackable: boolean,
  /** The RCT id of the moment of the checkpoint, where the host knows it already: some tell it only with the reference point. */
  trackingId: optional(id.trackingId),
});
export type FrozenDisk = Parsed<typeof frozenDisk>;

/** A recovery checkpoint: the VM's disks, frozen, while the guest goes on writing. */
export const checkpoint = object({
  id: id.checkpointId,
  vmId: id.vmId,
  /** Which daemon made it; absent on checkpoints of other products, which are never touched. */
  owner: optional(id.ownerId),
  runId: optional(id.runId),
  createdAt: timestamp,
  consistency,
  disks: array(frozenDisk, 256),
});
export type Checkpoint = Parsed<typeof checkpoint>;

/** What remains of a checkpoint after a backup: the moment that the next incremental counts from. */
export const referencePoint = object({
  id: id.referencePointId,
  vmId: id.vmId,
  owner: optional(id.ownerId),
  runId: optional(id.runId),
  createdAt: timestamp,
  disks: array(object({ diskId: id.diskId, trackingId: id.trackingId }), 256),
});
export type ReferencePoint = Parsed<typeof referencePoint>;

/** The VM's configuration as stored in a restore point: a summary everyone can read, and the host's own files. */
export const vmConfiguration = object({
  name: string({ maxLength: 256 }),
  generation: integer(1, 2),
  configVersion: string({ maxLength: 16 }),
  processorCount: integer(1, 4096),
  memoryBytes: integer(0),
  networkAdapters: array(
    object({ name: string({ maxLength: 128 }), switchName: nullable(string({ maxLength: 256 })) }),
    64,
  ),
  disks: array(object({ id: id.diskId, name: string({ maxLength: 128 }), controller: string({ maxLength: 64 }) }), 256),
  /** The host's configuration files (`.vmcx`, `.vmrs`, `.vmgs`), base64. */
  files: array(
    object({ name: string({ maxLength: 255 }), base64: string({ maxLength: 24 * 1024 * 1024, allowEmpty: true }) }),
    64,
  ),
});
export type VmConfiguration = Parsed<typeof vmConfiguration>;

export const errorReport = object({
  code: string({ maxLength: 16 }),
  message: string({ maxLength: 65_536 }),
  hint: optional(string({ maxLength: 4096 })),
});

export const fullReason = oneOf(
  'first',
  'requested',
  'base-missing',
  'reference-point-missing',
  'tracking-unknown',
  'new-disk',
  'resized',
  'not-trackable',
);
/** Why a disk was read in full. */
export type FullReason = Parsed<typeof fullReason>;

/** What one disk of a restore point cost. All bytes. */
export const diskStats = object({
  /** Read on the host and sent, before any wire compression. */
  readBytes: integer(),
  /** Of those, in chunks the repository did not hold yet. */
  newBytes: integer(),
  /** Appended to packs for this disk. */
  storedBytes: integer(),
  /** Of the whole disk, not zero. */
  dataBytes: integer(),
});
export type DiskStats = Parsed<typeof diskStats>;

export const restorePointDisk = object({
  id: id.diskId,
  name: string({ maxLength: 128 }),
  sizeBytes: integer(0, maxDiskBytes),
  logicalSectorBytes: integer(512, 4096),
  physicalSectorBytes: integer(512, 4096),
  chunkBytes: integer(65_536, 4_194_304),
  kind: union('type', {
    full: object({ type: literal('full'), reason: fullReason }),
    incremental: object({ type: literal('incremental') }),
  }),
  trackingId: optional(id.trackingId),
  stats: diskStats,
});
export type RestorePointDisk = Parsed<typeof restorePointDisk>;

/** A restore point as lists and pages show it. Every restore point is complete: none needs another one. */
export const restorePointInfo = object({
  id: id.restorePointId,
  repository: string({ maxLength: 64 }),
  vmId: id.vmId,
  vmName: string({ maxLength: 256 }),
  host: string({ maxLength: 64 }),
  createdAt: timestamp,
  finishedAt: timestamp,
  type: oneOf('full', 'incremental'),
  consistency,
  disks: array(restorePointDisk, 256),
  referencePointId: optional(id.referencePointId),
  warnings: array(string({ maxLength: 4096 }), 1024),
  /** The policy whose run made it; absent when somebody made it by hand. */
  policy: optional(id.policyName),
  /** It is never deleted by a retention, and by hand only after it is unpinned. */
  pinned: optional(
    object({ by: string({ maxLength: 256 }), at: timestamp, note: optional(string({ maxLength: 1024 })) }),
  ),
});
export type RestorePointInfo = Parsed<typeof restorePointInfo>;
