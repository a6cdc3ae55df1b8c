/** What a run can be asked to do. */
import * as id from '../ids.ts';
import { timestamp } from '../model.ts';
import { array, boolean, integer, literal, object, oneOf, optional, string, union } from '../parse.ts';
import type { Parsed } from '../parse.ts';

export const backupRequest = object({
  kind: literal('backup'),
  /** Host name; any host that has the VM when absent. */
  host: optional(id.nameText),
  /** A VM's name or id. */
  vm: string({ maxLength: 256 }),
  /** What to call the VM until the host has said its name; for people. */
  vmName: optional(string({ maxLength: 256 })),
  repository: id.nameText,
  type: oneOf('full', 'incremental'),
  consistency: oneOf('application', 'crash', 'application-or-crash'),
  /** Names of disks to leave out; `*` and `?` are wildcards. */
  excludeDisks: array(string({ maxLength: 128 }), 256),
  /** Chunk size of disks that have none yet; the default follows from the disk's size. */
  chunkBytes: optional(integer(65_536, 4_194_304)),
  /** The policy that it is done for; recorded in the restore point, whose retention is that policy's. */
  policy: optional(id.policyName),
  /** Disk parts read at a time; the host's when absent. */
  threads: optional(integer(1, 16)),
  /** Reads no faster than so many bytes a second. */
  bandwidth: optional(integer(65_536)),
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
export const verifyRequest = object({
  kind: literal('verify'),
  repository: id.nameText,
  readData: boolean,
  /** Only these; all when absent. */
  restorePoints: optional(array(id.restorePointId, 16_384)),
  /** With `restorePoints` and `readData`: of their data, leave out what restore points of the same VM need that were read back whole before. */
  newOnly: optional(boolean),
});
export const pruneRequest = object({
  kind: literal('prune'),
  repository: id.nameText,
  /** Restore points to keep per VM, newest first; at least 1. Absent: the retention of the applied policies decides. */
  keepLast: optional(integer(1)),
  /** Only restore points that this policy made; without `keepLast` only. */
  policy: optional(id.policyName),
  /** Only those of these VMs. */
  vms: optional(array(id.vmId, 16_384)),
  dryRun: boolean,
});
export const policyRequest = object({
  kind: literal('policy'),
  policy: id.policyName,
  /** What its backups read; what the schedule says, else incremental, when absent. */
  type: optional(oneOf('full', 'incremental')),
  /** `missed`: it came due while the daemon was not there. */
  trigger: oneOf('manual', 'schedule', 'missed'),
  /** When it was due. */
  scheduledFor: optional(timestamp),
  /** Runs that were missed and that it stands for: when they were due, the first of them. */
  missed: optional(array(timestamp, 100)),
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
  policy: policyRequest,
});
/** What a run is asked to do. */
export type RunRequest = Parsed<typeof runRequest>;
export type BackupRequest = Parsed<typeof backupRequest>;
export type RestoreDiskRequest = Parsed<typeof restoreDiskRequest>;
export type RestoreVmRequest = Parsed<typeof restoreVmRequest>;
export type VerifyRequest = Parsed<typeof verifyRequest>;
export type PruneRequest = Parsed<typeof pruneRequest>;
export type GcRequest = Parsed<typeof gcRequest>;
export type PolicyRequest = Parsed<typeof policyRequest>;
