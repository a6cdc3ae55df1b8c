/**
 * What policies are checked against: the hosts, VMs and repositories that are known, and what of them the checks want to know. The daemon
 * makes it from its inventory, the editor from the lists that its trees show, so that a diagnostic and a tree never disagree.
 */
import * as id from './ids.ts';
import { timestamp, vmState } from './model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from './parse.ts';
import type { Parsed } from './parse.ts';

export const inventoryHost = object({
  name: id.nameText,
  /** Windows build number; absent until the host was reached once. */
  build: optional(integer()),
  /** Whether its VMs are known: it answered once. */
  known: boolean,
  /** Since when it does not answer; absent while it does. */
  unreachableSince: optional(timestamp),
});
export type InventoryHost = Parsed<typeof inventoryHost>;

export const inventoryDisk = object({
  name: string({ maxLength: 128 }),
  sizeBytes: integer(),
  format: oneOf('vhdx', 'vhd', 'vhdset', 'passthrough'),
  /** Whether RCT can follow it. */
  trackable: boolean,
});
export type InventoryDisk = Parsed<typeof inventoryDisk>;

export const inventoryVm = object({
  host: id.nameText,
  id: id.vmId,
  name: string({ maxLength: 256 }),
  state: vmState,
  configVersion: string({ maxLength: 16 }),
  /** Why RCT cannot be used; empty when it can. */
  rctBlockers: array(string({ maxLength: 512 }), 64),
  disks: array(inventoryDisk, 256),
  lastBackupAt: optional(timestamp),
});
export type InventoryVm = Parsed<typeof inventoryVm>;

export const inventoryRepository = object({ name: id.nameText, location: string({ maxLength: 4096 }) });

export const policyInventory = object({
  hosts: array(inventoryHost, 4096),
  vms: array(inventoryVm),
  repositories: array(inventoryRepository, 1024),
});
export type PolicyInventory = Parsed<typeof policyInventory>;
