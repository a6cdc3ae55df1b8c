/** `Msvm_VirtualSystemSnapshotService`: taking and destroying snapshots (docs/hyperv.md). */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { ulid } from '../../../../../server/base/ulid.ts';
import { checkpointId as parseCheckpointId, runId, vmId as parseVmId } from '../../../../../server/protocol/ids.ts';
import type { CheckpointId, OwnerId } from '../../../../../server/protocol/ids.ts';
import type { Consistency } from '../../../../../server/protocol/model.ts';
import { removeDefinition, writeDefinition } from '../definition.ts';
import { hresults, invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import type { WorkContext } from '../jobs.ts';
import { wireOwner } from '../ledger.ts';
import { hiddenIn } from '../model/host.ts';
import { guidIn, labelOf, openCheckpoint, snapshotsOf, userSnapshot } from '../model/machine.ts';
import type { Snapshot } from '../model/machine.ts';
import { instanceReference, keyText } from '../model/references.ts';
import { changeNotes } from '../notes.ts';
import { hideForNow, operationOf, operations } from '../vmms.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import {
  booleanProperty,
  numberArgument,
  numberProperty,
  optionalEmbeddedArgument,
  referenceArgument,
  vmArgument,
} from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { letGuestWrite } from './guest.ts';
import type { Prepared } from './prepared.ts';

const settingsClass = 'Msvm_VirtualSystemSnapshotSettingData';

export const snapshotTypes = { full: 2, diskOnly: 3, recovery: 32_768 } as const;

/** `CreateSnapshot`. */
export function createSnapshot(vmms: Vmms, given: Arguments): Prepared {
  const vm = vmArgument(vmms, given, 'AffectedSystem');
  const type = numberArgument(given, 'SnapshotType');
  if (!Object.values<number>(snapshotTypes).includes(type)) throw new MethodFailure(returnCodes.dmtfInvalidParameter);
  const settings = snapshotSettings(vmms, given);
  checkIdle(vmms, vm);
  let made: CheckpointId | undefined;
  const reference = () => (made === undefined ? null : instanceReference('Msvm_VirtualSystemSettingData', made));
  const run = async (context: WorkContext) => {
    await letGuestWrite(vmms, vm);
    made =
      type === snapshotTypes.recovery ? await recover(vmms, vm, settings, context) : await userCheckpoint(vmms, vm);
    hideForNow(vmms, made);
    vmms.ledger.made({ kind: 'snapshot', id: made, vmId: vm.id });
    return [instanceReference('Msvm_VirtualSystemSettingData', made)];
  };
  if (type === snapshotTypes.recovery) checkRecovery(vmms, vm, settings);
  return {
    work: {
      type: 70,
      title: 'Creating Virtual Machine Checkpoint',
      cancellable: true,
      run: (context) => during(vmms, vm, operations.creatingSnapshot, () => run(context)),
    },
    out: () => ({ ResultingSnapshot: reference() }),
  };
}

interface SnapshotSettings {
  readonly level: number;
  readonly ignoresDisks: boolean;
}

function snapshotSettings(vmms: Vmms, given: Arguments): SnapshotSettings {
  const embedded = optionalEmbeddedArgument(given, 'SnapshotSettings', settingsClass);
  if (embedded === undefined) return { level: 0, ignoresDisks: false };
  const backup = numberProperty(embedded, 'GuestBackupType');
  const hidden = hiddenIn(vmms.world.host.build).includes(`${settingsClass}.GuestBackupType`);
  if (backup !== undefined && (hidden || backup > 2)) throw invalidParameter('GuestBackupType is not valid.');
  return {
    level: numberProperty(embedded, 'ConsistencyLevel') ?? 0,
    ignoresDisks: booleanProperty(embedded, 'IgnoreNonSnapshottableDisks', false),
  };
}

/** Refuses a VM on which something runs. */
export function checkIdle(vmms: Vmms, vm: Vm): void {
  if (operationOf(vmms, vm.id) === undefined) return;
  throw new MethodFailure(returnCodes.invalidState, undefined, ['Another operation runs on the virtual machine.']);
}

function checkRecovery(vmms: Vmms, vm: Vm, { level }: SnapshotSettings): void {
  if (level !== 1 && level !== 2) throw invalidParameter('ConsistencyLevel must be 1 or 2.');
  if (vm.document.merge !== undefined) {
    throw new MethodFailure(returnCodes.invalidState, undefined, ['The disks of the virtual machine are merging.']);
  }
  if (vmms.faults.now.existingSnapshot === 'refuse' && recoverySnapshots(vm).length > 0) {
    throw new MethodFailure(returnCodes.invalidState, undefined, ['The virtual machine has a recovery checkpoint.']);
  }
}

const recoverySnapshots = (vm: Vm): readonly Snapshot[] => snapshotsOf(vm).filter(({ type }) => type !== userSnapshot);

async function recover(
  vmms: Vmms,
  vm: Vm,
  { level, ignoresDisks }: SnapshotSettings,
  context: WorkContext,
): Promise<CheckpointId> {
  const { diskFull, offWithLevel1 } = vmms.faults.now;
  if (diskFull)
    throw new MethodFailure(returnCodes.failed, hresults.diskFull, ['There is not enough space on the disk.']);
  if (recoverySnapshots(vm).length > 0)
    throw new MethodFailure(returnCodes.failed, undefined, ['The virtual machine has a recovery checkpoint.']);
  const unreadable = vm.notes.extras.some((extra) => extra === 'physical-disk' || extra === 'fibre-channel');
  if (unreadable && !ignoresDisks)
    throw new MethodFailure(returnCodes.failed, hresults.unspecified, ['A disk cannot be part of a checkpoint.']);
  const running = vm.document.state === 'running';
  const consistency: Consistency = level === 2 || (!running && offWithLevel1 === 'crash') ? 'crash' : 'application';
  if (consistency === 'application') checkVss(vm);
  return freeze(vmms, vm, wireOwner, consistency, context);
}

/** A guest whose VSS nobody can reach cannot be brought to rest. */
function checkVss({ notes }: Vm): void {
  const [contact = 2] = notes.vssOperationalStatus ?? [];
  if (notes.noVss !== true && notes.vssEnabledState !== 3 && contact <= 3) return;
  throw new MethodFailure(returnCodes.failed, hresults.vssWriterFailed, ['The guest does not answer requests of VSS.']);
}

/** Freezes the disks of a VM and writes the snapshot's configuration. */
export async function freeze(
  vmms: Vmms,
  vm: Vm,
  owner: OwnerId,
  consistency: Consistency,
  context: WorkContext,
): Promise<CheckpointId> {
  const request = { vmId: parseVmId(vm.id, 'vmId'), runId: runId(ulid(), 'runId'), owner, consistency };
  const { id } = await vmms.provider.createCheckpoint(request, {
    signal: context.signal,
    progress: (_, percent) => context.progress(percent),
  });
  const now = vmms.world.vm(vm.id);
  const snapshot = now === undefined ? undefined : snapshotsOf(now).find((entry) => entry.id === id);
  if (now !== undefined && snapshot !== undefined) {
    const machine = { ...snapshot.machine, name: labelOf(now) };
    await writeDefinition(vmms.world, join(now.directory, 'Snapshots'), snapshot.guid, now, machine);
  }
  return id;
}

/** A user's checkpoint: only its entry in the tree. */
async function userCheckpoint(vmms: Vmms, vm: Vm): Promise<CheckpointId> {
  const id = parseCheckpointId(`Microsoft:${randomUUID().toUpperCase()}`, 'id');
  const createdAt = new Date(vmms.now()).toISOString();
  const paper = { id, type: userSnapshot, name: `${labelOf(vm)} - (${createdAt})`, createdAt };
  await changeNotes(vmms.world.root, vm.id, (notes) => ({
    ...notes,
    paperSnapshots: [...notes.paperSnapshots, paper],
  }));
  return id;
}

/** Shows an operation on the VM as long as it takes. */
export async function during<T>(vmms: Vmms, vm: Vm, operation: number, work: () => Promise<T>): Promise<T> {
  checkIdle(vmms, vm);
  vmms.running.set(vm.id, operation);
  try {
    return await work();
  } finally {
    vmms.running.delete(vm.id);
  }
}

/** A snapshot and its VM. */
export interface Found {
  readonly vm: Vm;
  readonly snapshot: Snapshot;
}

/** The snapshot with this InstanceID. */
export function findSnapshot(vmms: Vmms, instanceId: string): Found | undefined {
  for (const vm of vmms.world.vms()) {
    const snapshot = snapshotsOf(vm).find((entry) => entry.id.toLowerCase() === instanceId.toLowerCase());
    if (snapshot !== undefined) return { vm, snapshot };
  }
  return undefined;
}

/** The snapshot that a parameter means. Throws the code for what is not there. */
export function snapshotArgument(vmms: Vmms, given: Arguments, name: string): Found {
  const reference = referenceArgument(given, name, 'Msvm_VirtualSystemSettingData');
  const found = findSnapshot(vmms, keyText(reference, 'InstanceID'));
  if (found === undefined) throw new MethodFailure(vmms.faults.now.missingObject);
  return found;
}

/** `DestroySnapshot`: the job ends when the snapshot is unlinked; its disks merge afterwards. */
export function destroySnapshot(vmms: Vmms, given: Arguments): Prepared {
  const { vm, snapshot } = snapshotArgument(vmms, given, 'AffectedSnapshot');
  checkIdle(vmms, vm);
  const run = async (context: WorkContext) => {
    if (vm.notes.paperSnapshots.some((paper) => paper.id === snapshot.id)) await removePaper(vmms, vm, snapshot.id);
    else await unlink(vmms, vm, snapshot, 'removeCheckpoint', context);
    vmms.ledger.destroyed({ kind: 'snapshot', id: snapshot.id, vmId: vm.id });
    return [];
  };
  return {
    work: {
      type: 72,
      title: 'Deleting Virtual Machine Checkpoint',
      cancellable: false,
      run: (context) => during(vmms, vm, operations.deletingSnapshot, () => run(context)),
    },
  };
}

async function removePaper(vmms: Vmms, vm: Vm, id: string): Promise<void> {
  await changeNotes(vmms.world.root, vm.id, (notes) => ({
    ...notes,
    paperSnapshots: notes.paperSnapshots.filter((paper) => paper.id !== id),
  }));
}

/** Ends a snapshot and lets its merge begin by itself. */
export async function unlink(
  vmms: Vmms,
  vm: Vm,
  snapshot: Snapshot,
  how: 'removeCheckpoint' | 'convertCheckpoint',
  context: WorkContext,
): Promise<void> {
  const open = openCheckpoint(vm.document);
  if (open?.id !== snapshot.id) throw new MethodFailure(returnCodes.invalidState);
  // The simulated host merges as a part of the same call: it is cut off there, and merged later.
  const cut = new AbortController();
  const job = {
    signal: AbortSignal.any([context.signal, cut.signal]),
    progress: (kind: string, percent: number): void => {
      if (kind === 'merge') cut.abort();
      else context.progress(percent);
    },
  };
  try {
    await vmms.provider[how](open.id, job);
  } catch (error) {
    if (!cut.signal.aborted) throw error;
  }
  await removeDefinition(join(vm.directory, 'Snapshots'), guidIn(snapshot.id));
  await changeNotes(vmms.world.root, vm.id, (notes) => ({
    ...notes,
    snapshotNames: notes.snapshotNames.filter((entry) => entry.id !== snapshot.id),
  }));
  vmms.merges.begin(vm.id);
}
