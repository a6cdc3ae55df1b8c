/** What other products and administrators do on the host. */
import { randomUUID } from 'node:crypto';

import { checkpointId as parseCheckpointId } from '../../../../server/protocol/ids.ts';
import { foreignOwner } from './ledger.ts';
import { convert, removePoint } from './methods/reference-points.ts';
import { freeze, findSnapshot, unlink } from './methods/snapshots.ts';
import { changeNotes } from './notes.ts';
import type { VmNotes } from './notes.ts';
import type { Vmms } from './vmms.ts';
import type { Vm } from './world.ts';

const context = { signal: new AbortController().signal, progress: () => undefined };

function vmOf(vmms: Vmms, vmId: string): Vm {
  const vm = vmms.world.vm(vmId);
  if (vm === undefined) throw new Error(`There is no VM ${vmId}.`);
  return vm;
}

/** Another product's recovery snapshot, with disks that are really frozen. Returns its id. */
export const foreignSnapshot = (vmms: Vmms, vmId: string): Promise<string> =>
  freeze(vmms, vmOf(vmms, vmId), foreignOwner, 'crash', context);

/** A snapshot that is only an entry in the tree, of any type: a user's checkpoint, one of Replica, another product's. Returns its id. */
export async function paperSnapshot(vmms: Vmms, vmId: string, type: string, name: string): Promise<string> {
  const id = parseCheckpointId(`Microsoft:${randomUUID().toUpperCase()}`, 'id');
  const paper = { id, type, name, createdAt: new Date(vmms.now()).toISOString() };
  await changeNotes(vmms.world.root, vmId, (notes) => ({ ...notes, paperSnapshots: [...notes.paperSnapshots, paper] }));
  return id;
}

/** Another product's reference point: as after its backup, with disks that have merged. Returns its id. */
export async function foreignReferencePoint(vmms: Vmms, vmId: string): Promise<string> {
  const found = findSnapshot(vmms, await foreignSnapshot(vmms, vmId));
  if (found === undefined) throw new Error('The snapshot is gone.');
  const id = await convert(vmms, found, undefined, context);
  await vmms.merges.settled();
  return id;
}

/** Another product, or somebody at the host, takes away a snapshot. */
export async function foreignRemoval(vmms: Vmms, id: string): Promise<void> {
  const found = findSnapshot(vmms, id);
  if (found !== undefined) await unlink(vmms, found.vm, found.snapshot, 'removeCheckpoint', context);
}

/** A reference point vanishes, whoever made it. */
export async function loseReferencePoint(vmms: Vmms, id: string): Promise<void> {
  const vm = vmms.world.vms().find((entry) => entry.document.referencePoints.some((point) => point.id === id));
  const point = vm?.document.referencePoints.find((entry) => entry.id === id);
  if (vm === undefined || point === undefined) return;
  await removePoint(vmms, vm, point, context.signal);
}

/** What a VM is called, which hardware it has, and what it says of its state. */
export async function describeVm(vmms: Vmms, vmId: string, changes: Partial<VmNotes>): Promise<void> {
  await changeNotes(vmms.world.root, vmId, (notes) => ({ ...notes, ...changes }));
}
