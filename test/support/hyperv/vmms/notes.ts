/**
 * What Hyper-V keeps of a VM and the simulated host does not have, in `hyperv.json` in the VM's folder: it is part of the VM's
 * configuration and goes with the VM when it moves to another host.
 */
import { join } from 'node:path';

import { readJsonFile, writeFileDurably } from '../../../../server/base/files.ts';
import * as id from '../../../../server/protocol/ids.ts';
import { timestamp } from '../../../../server/protocol/model.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  oneOf,
  optional,
  string,
} from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { withVm } from '../../../../server/agent/simulated/store.ts';

const label = string({ maxLength: 4096, allowEmpty: true });
const states = array(integer(0, 65_535), 16);

/** Hardware that the simulated host has no word for. */
export const extra = oneOf('physical-disk', 'shared-disk', 'fibre-channel', 'dvd', 'vhd-set', 'vhd');

/** A snapshot that freezes nothing: what the VM's disks are is not changed by it. */
const paperSnapshot = object({
  id: id.checkpointId,
  type: string({ maxLength: 256 }),
  name: label,
  createdAt: timestamp,
});

const referencePointNote = object({
  id: id.referencePointId,
  /** 1 application, 2 crash. */
  consistency: integer(0, 2),
  /** InstanceIDs of the disks at its creation. */
  diskInstanceIds: array(string({ maxLength: 1024 }), 512),
});

/** `hyperv.json`. */
export const vmNotes = object({
  format: literal(1),
  /** `ElementName`, where it is not the simulated VM's name: any text, also one that other VMs have. */
  name: optional(label),
  /** Names of open recovery snapshots. */
  snapshotNames: array(object({ id: id.checkpointId, name: label }), 512),
  paperSnapshots: array(paperSnapshot, 512),
  referencePoints: array(referencePointNote, 1024),
  extras: array(extra, 16),
  /** `AutomaticStartupAction`. */
  startup: optional(integer(0, 65_535)),
  /** States that are not those of the simulated VM. */
  enabledState: optional(integer(0, 65_535)),
  healthState: optional(integer(0, 65_535)),
  operationalStatus: optional(states),
  replicationMode: optional(integer(0, 65_535)),
  /** Guests without integration services have no VSS component. */
  noVss: optional(boolean),
  vssEnabledState: optional(integer(0, 65_535)),
  vssOperationalStatus: optional(states),
});
export type VmNotes = Parsed<typeof vmNotes>;

/** Of a VM about which nothing is noted. */
export const noNotes: VmNotes = {
  format: 1,
  snapshotNames: [],
  paperSnapshots: [],
  referencePoints: [],
  extras: [],
};

export const notesFile = 'hyperv.json';

/** Changes what is noted of a VM, under its lock. Throws `TM2101` when the VM is not there. */
export async function changeNotes(
  root: string,
  vmId: string,
  change: (notes: VmNotes) => VmNotes | Promise<VmNotes>,
): Promise<void> {
  await withVm(root, vmId, undefined, async (vm) => {
    const path = join(vm.directory, notesFile);
    const before = (await readJsonFile(path, vmNotes)) ?? noNotes;
    await writeFileDurably(path, JSON.stringify(await change(before), undefined, 2));
  });
}
