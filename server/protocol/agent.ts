/**
 * Daemon → agent control protocol, version 1: JSON-RPC 2.0 with LSP framing (vscode-jsonrpc) on a connection
 * that began as `GET /tidemark/control` with `Upgrade: tidemark-control`.
 *
 * The first two requests are the SCRAM-SHA-256 exchange; every other request before it succeeded is refused.
 * Long requests accept `$/cancelRequest` and report through `jobDidProgress` under the token the caller chose.
 */
import * as id from './ids.ts';
import { notification, request } from './message.ts';
import * as model from './model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from './parse.ts';
import type { Parsed } from './parse.ts';

/** Lowest and highest control protocol this build speaks. */
export const agentProtocol = { min: 1, max: 1 } as const;

export const controlPath = '/tidemark/control';
export const controlUpgrade = 'tidemark-control';
export const dataPath = '/tidemark/data';
export const dataUpgrade = 'tidemark-data';

const nothing = object({});
const jobToken = optional(string({ maxLength: 64 }));

/** SCRAM client-first message (RFC 5802 section 5), answered with the server-first message. */
export const scramFirst = request(
  'tidemark/auth/scramFirst',
  object({ message: string({ maxLength: 2048 }) }),
  object({ message: string({ maxLength: 2048 }) }),
);

/** SCRAM client-final message, answered with the server-final message and the id that data connections name. */
export const scramFinal = request(
  'tidemark/auth/scramFinal',
  object({ message: string({ maxLength: 2048 }) }),
  object({ message: string({ maxLength: 2048 }), sessionId: string({ maxLength: 64, pattern: /^[0-9a-f]{32}$/ }) }),
);

/** Version and capability exchange; the first request after authentication. `owner` marks what this daemon makes on the host. */
export const hello = request(
  'tidemark/agent/hello',
  object({
    protocol: object({ min: integer(1), max: integer(1) }),
    client: string({ maxLength: 128 }),
    owner: id.ownerId,
  }),
  object({ protocol: integer(1), agentVersion: string({ maxLength: 64 }), host: model.hostInfo }),
);

/** Says only that the other side lives. The daemon sends it when nothing else was sent for a while; each side gives the other up after a minute of silence. */
export const ping = request('tidemark/agent/ping', nothing, nothing);

export const listVms = request('tidemark/vm/list', nothing, object({ vms: array(model.vmInfo, 65_536) }));

/** Takes a recovery checkpoint of a VM. Job kind `checkpoint`. */
export const createCheckpoint = request(
  'tidemark/checkpoint/create',
  object({ vmId: id.vmId, runId: id.runId, consistency: model.consistency, job: jobToken }),
  object({ checkpoint: model.checkpoint }),
);

/** Every recovery checkpoint on the host, or of one VM. */
export const listCheckpoints = request(
  'tidemark/checkpoint/list',
  object({ vmId: optional(id.vmId) }),
  object({ checkpoints: array(model.checkpoint) }),
);

/** Removes a checkpoint and merges its differencing disks; answers when the merge is done. Job kinds `remove-checkpoint`, `merge`. */
export const removeCheckpoint = request(
  'tidemark/checkpoint/remove',
  object({ checkpointId: id.checkpointId, job: jobToken }),
  nothing,
);

/** Turns a checkpoint into a reference point; answers when its differencing disks are merged. Job kinds `convert`, `merge`. */
export const convertCheckpoint = request(
  'tidemark/checkpoint/convert',
  object({ checkpointId: id.checkpointId, job: jobToken }),
  object({ referencePoint: model.referencePoint }),
);

export const listReferencePoints = request(
  'tidemark/referencePoint/list',
  object({ vmId: optional(id.vmId) }),
  object({ referencePoints: array(model.referencePoint) }),
);

/**
 * Removes a reference point. One that carries no owner's mark on this host (its VM came from another one) goes only when
 * `trackingIds` names tracking ids of it, and nothing else: who asks proves that they know it. Errors: `TM2109`.
 */
export const removeReferencePoint = request(
  'tidemark/referencePoint/remove',
  object({
    referencePointId: id.referencePointId,
    trackingIds: optional(array(id.trackingId, 256)),
    job: jobToken,
  }),
  nothing,
);

/** Makes a checkpoint's disks readable through data connections. On Server 2016 an excluded disk may be copied all the same; a warning then says so. */
export const openExport = request(
  'tidemark/export/open',
  object({ checkpointId: id.checkpointId, excludeDisks: array(id.diskId, 256), job: jobToken }),
  object({
    exportId: id.exportId,
    disks: array(model.frozenDisk, 256),
    configuration: model.vmConfiguration,
    warnings: array(string({ maxLength: 4096 }), 64),
  }),
);

export const closeExport = request('tidemark/export/close', object({ exportId: id.exportId }), nothing);

/** Extents of one answer at most; larger lists come in pages. */
export const maxExtentsPerPage = 16_384;

/**
 * The extents of an exported disk to read. With `since`: what RCT reports as changed between that tracking id and the
 * checkpoint; without: what is allocated. `extents` alternates offset and length (bytes, ascending, not overlapping).
 * The answer covers the disk from `offset` up to `nextOffset`, or to its end when `nextOffset` is absent.
 * Errors: `TM2110` when the tracking id is not known any more: read the disk in full.
 */
export const listExtents = request(
  'tidemark/export/extents',
  object({
    exportId: id.exportId,
    diskId: id.diskId,
    since: optional(id.trackingId),
    offset: integer(0, model.maxDiskBytes),
  }),
  object({
    extents: array(integer(0, model.maxDiskBytes), maxExtentsPerPage * 2),
    nextOffset: optional(integer(1, model.maxDiskBytes)),
  }),
);

/** Begins restoring a VM on this host; its disks are then written through data connections. Nothing is visible before `commitRestore`. */
export const beginRestore = request(
  'tidemark/restore/begin',
  object({
    name: string({ maxLength: 256 }),
    configuration: model.vmConfiguration,
    connectNetwork: boolean,
    disks: array(
      object({
        id: id.diskId,
        name: string({ maxLength: 128 }),
        sizeBytes: integer(0, model.maxDiskBytes),
        logicalSectorBytes: integer(512, 4096),
        physicalSectorBytes: integer(512, 4096),
      }),
      256,
    ),
  }),
  object({ sessionId: id.restoreSessionId }),
);

/** Makes the restored VM real. `warnings` say in what it is not as the one that was backed up, beside its id and the network. */
export const commitRestore = request(
  'tidemark/restore/commit',
  object({ sessionId: id.restoreSessionId, job: jobToken }),
  object({ vmId: id.vmId, warnings: optional(array(string({ maxLength: 4096 }), 64)) }),
);

export const abortRestore = request('tidemark/restore/abort', object({ sessionId: id.restoreSessionId }), nothing);

export const jobKind = oneOf('checkpoint', 'remove-checkpoint', 'convert', 'merge', 'export', 'restore');
export type JobKind = Parsed<typeof jobKind>;

/** Progress of a host job. */
export const jobDidProgress = notification(
  'tidemark/job/didProgress',
  object({ job: string({ maxLength: 64 }), kind: jobKind, percent: integer(0, 100) }),
);
