/** Branded identifiers: a `VmId` cannot be passed where a `RunId` is wanted. */
import { branded } from './parse.ts';

declare const brand: unique symbol;
type Brand<B extends string> = string & { readonly [brand]: B };

/** GUID of a virtual machine, upper case without braces, as in `Msvm_ComputerSystem.Name`. The identity to persist; names are labels. */
export type VmId = Brand<'VmId'>;
/** VirtualDiskId of a VHDX (MS-VHDX 2.6.2.3), upper-case GUID without braces: equal in all files of one chain. */
export type DiskId = Brand<'DiskId'>;
/** Id of a recovery checkpoint on its host. */
export type CheckpointId = Brand<'CheckpointId'>;
/** Id of a reference point on its host. */
export type ReferencePointId = Brand<'ReferencePointId'>;
/** Opaque change-tracking (RCT) id of one disk at one moment. Never parse it. */
export type TrackingId = Brand<'TrackingId'>;
/** Id of an export session on an agent. */
export type ExportId = Brand<'ExportId'>;
/** Id of a VM being restored through an agent. */
export type RestoreSessionId = Brand<'RestoreSessionId'>;
/** Id of a run: a ULID, sortable by start time. */
export type RunId = Brand<'RunId'>;
/** Id of a restore point: a ULID, sortable by time. */
export type RestorePointId = Brand<'RestorePointId'>;
/** Random id of a repository, 32 hex digits. */
export type RepositoryId = Brand<'RepositoryId'>;
/** Random id of a daemon's data directory: marks what that daemon made on hosts. */
export type OwnerId = Brand<'OwnerId'>;

const guid = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/;
const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const token = /^[\w:.{}\\/-]{1,256}$/;

export const vmId = branded<VmId>(guid, 'a VM id (an upper-case GUID)');
export const diskId = branded<DiskId>(guid, 'a disk id (an upper-case GUID)');
export const checkpointId = branded<CheckpointId>(token, 'a checkpoint id');
export const referencePointId = branded<ReferencePointId>(token, 'a reference point id');
export const trackingId = branded<TrackingId>(token, 'a change-tracking id');
export const exportId = branded<ExportId>(token, 'an export id');
export const restoreSessionId = branded<RestoreSessionId>(token, 'a restore session id');
export const runId = branded<RunId>(ulid, 'a run id (26 characters, as `tidemark run list` shows it)');
export const restorePointId = branded<RestorePointId>(
  ulid,
  'a restore point id (26 characters, as `tidemark restore-point list` shows it)',
);
export const repositoryId = branded<RepositoryId>(/^[0-9a-f]{32}$/, 'a repository id (32 hex digits)');
export const ownerId = branded<OwnerId>(/^[0-9a-f]{32}$/, 'an owner id (32 hex digits)');

/** The name of a policy: lower-case letters, digits, dashes; at most 64. */
export const policyName = branded<string>(
  /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/,
  'a name of lower-case letters, digits and dashes, at most 64 characters',
);

/** A name given by the user to a host or repository: letters, digits, `.`, `_`, `-`; at most 64. */
export const nameText = branded<string>(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  'a name of letters, digits, dots, dashes and underscores, at most 64 characters',
);
