/** The VMs of the hosts, and what tells a client that something of the inventory changed. */
import * as id from '../ids.ts';
import { notification, request } from '../message.ts';
import * as model from '../model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { hostEntry } from './hosts.ts';
import { repositoryEntry } from './repositories.ts';

const nothing = object({});

/** What is backed up of a VM, over all repositories. */
export const vmBackups = object({
  restorePoints: integer(1),
  last: object({
    id: id.restorePointId,
    createdAt: model.timestamp,
    repository: id.nameText,
    type: oneOf('full', 'incremental'),
  }),
  oldestAt: model.timestamp,
  /** The newest full; absent when it was deleted (every restore point is complete without it). */
  lastFull: optional(object({ id: id.restorePointId, createdAt: model.timestamp })),
  /** Incrementals newer than the newest full. */
  incrementalsSinceFull: integer(),
});
export type VmBackups = Parsed<typeof vmBackups>;

export const vmEntry = object({
  host: id.nameText,
  vm: model.vmInfo,
  lastRestorePoint: optional(object({ id: id.restorePointId, createdAt: model.timestamp, repository: id.nameText })),
  /** Absent when there is no restore point, or when the repositories did not answer in time. */
  backups: optional(vmBackups),
});
export type VmEntry = Parsed<typeof vmEntry>;

/** How old what an answer says of a host is. */
export const hostReading = object({
  host: id.nameText,
  /** When the host listed the VMs of the answer; absent when it never did. */
  readAt: optional(model.timestamp),
  /** Windows build number that it had then. */
  build: optional(integer()),
  /** Since when it does not answer; absent while it does, and for a host that was not asked yet. */
  unreachableSince: optional(model.timestamp),
  error: optional(model.errorReport),
});
export type HostReading = Parsed<typeof hostReading>;

/**
 * VMs of one host or of all; hosts that do not answer are named with the reason. Without `maxAgeMs` each host is asked now, and one that
 * does not answer has no VMs in the answer. With it, what was last heard is kept: VMs of a host that does not answer stay, and `hosts` says
 * how old they are.
 */
export const listVms = request(
  'tidemark/vm/list',
  object({
    host: optional(id.nameText),
    /** A host whose last answer, or failure to answer, is younger is not asked again. */
    maxAgeMs: optional(integer()),
    /**
     * False: answers at once with what is known. Hosts whose last answer is older than `maxAgeMs` (default 0) are asked meanwhile, and
     * `inventory/didChange` tells what came of it. A host that was never heard of has neither `readAt` nor `unreachableSince`.
     */
    wait: optional(boolean),
  }),
  object({
    vms: array(vmEntry),
    unreachable: array(object({ host: id.nameText, error: model.errorReport }), 4096),
    /** One for each host that the answer is about. */
    hosts: optional(array(hostReading, 4096)),
  }),
);

/**
 * From now on this connection gets `inventoryDidChange`, and the daemon asks all hosts every 30 s, each for itself. The answer is the
 * state now, from memory. Subscribing again is harmless.
 */
export const subscribeInventory = request(
  'tidemark/inventory/subscribe',
  nothing,
  object({
    sequence: integer(),
    hosts: array(hostEntry, 4096),
    repositories: array(repositoryEntry, 1024),
  }),
);

/**
 * What changed since the last one; at most four a second. It only names things: whoever shows them asks for them
 * (`host/list`, `vm/list` with a `maxAgeMs`, `repository/list`, `restorePoint/list`).
 */
export const inventoryDidChange = notification(
  'tidemark/inventory/didChange',
  object({
    /** Counts the changes of the inventory. */
    sequence: integer(),
    /** The list of hosts, or what `host/list` says of one: its state, URL, certificate. */
    hosts: boolean,
    /** The list of repositories. */
    repositories: boolean,
    /** Hosts whose VMs changed, or whose reading became stale or fresh. */
    vmsOf: array(string({ maxLength: 64 }), 4096),
    /** Repositories whose restore points changed. */
    restorePointsOf: array(string({ maxLength: 64 }), 1024),
    /** The list of policies, or what `policy/list` says of one. */
    policies: optional(boolean),
  }),
);
export type InventoryChange = Parsed<typeof inventoryDidChange.params>;
