/** The state files of a host directory: what `host.json` and `vm.json` hold. */
import * as id from '../../protocol/ids.ts';
import { consistency, frozenDisk, maxDiskBytes, referencePoint, timestamp } from '../../protocol/model.ts';
import { array, integer, literal, nullable, object, oneOf, optional, string } from '../../protocol/parse.ts';
import type { Parsed } from '../../protocol/parse.ts';
import { plainFileName } from './layout.ts';

/** `host.json`. */
export const hostState = object({
  format: literal(1),
  name: string({ maxLength: 256 }),
  /** Windows build number. */
  build: integer(1, 1_000_000),
  id: string({ maxLength: 36 }),
  createdAt: timestamp,
});
export type HostState = Parsed<typeof hostState>;

/** A disk of a VM. */
export const diskState = object({
  id: id.diskId,
  name: plainFileName,
  /** The disk's own file: `NAME.vhdx`. */
  file: plainFileName,
  /** The file the guest writes to: `file`, or the differencing disk of a checkpoint above it. */
  leaf: plainFileName,
  sizeBytes: integer(0, maxDiskBytes),
  logicalSectorBytes: integer(512, 4096),
  physicalSectorBytes: integer(512, 4096),
  /** DataWriteGuid of `leaf` when the VM went off; another one means that somebody wrote to it meanwhile. */
  dataWriteGuid: optional(string({ maxLength: 36 })),
});
export type DiskState = Parsed<typeof diskState>;

/** An open recovery checkpoint. */
export const checkpointState = object({
  id: id.checkpointId,
  createdAt: timestamp,
  consistency,
  owner: optional(id.ownerId),
  runId: optional(id.runId),
  disks: array(object({ disk: frozenDisk, frozen: plainFileName, leaf: plainFileName }), 256),
});
export type CheckpointState = Parsed<typeof checkpointState>;

/** Differencing disks whose checkpoint is gone and that must go into their bases. */
export const mergeState = object({
  checkpoint: checkpointState,
  /** The reference point the checkpoint became; absent when it was removed. */
  referencePointId: optional(id.referencePointId),
  /** Disks still to merge. */
  pending: array(id.diskId, 256),
});
export type MergeState = Parsed<typeof mergeState>;

/** `vm.json`. */
export const vmState = object({
  format: literal(1),
  id: id.vmId,
  name: plainFileName,
  state: oneOf('running', 'off', 'saved', 'paused'),
  /** How the VM last went off: after a power failure the `.rct` is not believed. */
  lastShutdown: oneOf('clean', 'failed'),
  generation: integer(1, 2),
  configVersion: string({ maxLength: 16, pattern: /^\d{1,4}\.\d{1,4}$/, what: 'a version like 9.0' }),
  /** How the guest's VSS answers; a switch for tests. */
  vss: oneOf('ok', 'failing', 'hanging'),
  processorCount: integer(1, 4096),
  memoryBytes: integer(0),
  networkAdapters: array(
    object({ name: string({ maxLength: 128 }), switchName: nullable(string({ maxLength: 256 })) }),
    64,
  ),
  disks: array(diskState, 256),
  checkpoint: optional(checkpointState),
  merge: optional(mergeState),
  referencePoints: array(referencePoint, 512),
  /** A move to another host that is decided: the VM is there as soon as the move is finished. */
  movedTo: optional(object({ root: string({ maxLength: 4096 }), moveId: string({ maxLength: 64 }) })),
});
export type VmDocument = Parsed<typeof vmState>;
