/**
 * Recovery checkpoints. One state file decides: until `vm.json` names the checkpoint it does not exist and the guest
 * writes to the base; from then on the base is frozen. Removal and conversion are decided by one write of `vm.json`
 * too; the merge after it can be interrupted anywhere and done again.
 */
import { randomUUID } from 'node:crypto';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { checkpointId as parseCheckpointId, referencePointId as parseReferencePointId } from '../../protocol/ids.ts';
import type { CheckpointId, OwnerId, ReferencePointId, RunId, VmId } from '../../protocol/ids.ts';
import type { Checkpoint, Consistency, FrozenDisk, ReferencePoint } from '../../protocol/model.ts';
import type { JobContext } from '../provider.ts';
import { rctBlockers, toCheckpoint } from './describe.ts';
import { checkDisks } from './disk-check.ts';
import { createLeaf, diskFacts } from './disk-files.ts';
import { JobProgress, pause } from './jobs.ts';
import { finishMerge } from './merge.ts';
import { neededIds } from './needed-ids.ts';
import { removeOrphans } from './orphans.ts';
import type { CheckpointState, DiskState, VmDocument } from './state.ts';
import type { StepHook } from './steps.ts';
import { scanVms, withVm } from './store.ts';
import type { LockedVm } from './store.ts';
import { DiskTracker } from './tracking/disk-tracker.ts';

/** Reference points a VM may have; each keeps its own change bitmaps. */
const maxReferencePoints = 256;

/** What the checkpoint operations need of their provider. */
export interface CheckpointSettings {
  readonly root: string;
  readonly jobMs: number;
  readonly vssTimeoutMs: number;
  readonly step: StepHook;
  /** Closes this process's exports of a checkpoint; throws `TM2104` when another process has one open. Called under the VM's lock. */
  readonly closeExports: (checkpoint: CheckpointId) => Promise<void>;
}

/** What a checkpoint is asked for with. */
export interface CheckpointRequest {
  readonly vmId: VmId;
  readonly runId: RunId;
  readonly owner: OwnerId;
  readonly consistency: Consistency;
}

const newId = (): string => randomUUID().toUpperCase();

/** Takes a checkpoint. Throws `TM2103` (no RCT), `TM2104` (another checkpoint), `TM2105` (state), `TM2107`, `TM2108` (VSS). */
export async function createCheckpoint(
  settings: CheckpointSettings,
  request: CheckpointRequest,
  job: JobContext,
): Promise<Checkpoint> {
  const { root, step } = settings;
  const progress = new JobProgress(job, 'checkpoint');
  const before = await withVm(root, request.vmId, job.signal, async (vm) => {
    checkEligible(vm.document);
    if (vm.document.merge !== undefined) await finishMerge(vm, new JobProgress(job, 'merge'), step);
    return vm.document;
  });
  if (request.consistency === 'application') await askVss(before, settings, progress);
  await progress.elapse(settings.jobMs, 90);
  const checkpoint = await withVm(root, request.vmId, job.signal, async (vm) => {
    checkEligible(vm.document);
    if (request.consistency === 'application' && vm.document.state !== 'running') throw notRunning(vm.document);
    if (vm.document.merge !== undefined) throw busy(vm.document);
    try {
      return await freeze(vm, request, step);
    } catch (error) {
      await removeOrphans(vm);
      throw error;
    }
  });
  progress.report(100);
  return checkpoint;
}

function checkEligible(vm: VmDocument): void {
  const [blocker] = rctBlockers(vm);
  if (blocker !== undefined) {
    throw new TidemarkError(errorCodes.vmNotEligible, `The VM ${vm.name} cannot be backed up.`, { hint: blocker });
  }
  if (vm.checkpoint !== undefined) throw busy(vm);
  if (vm.state !== 'running' && vm.state !== 'off') {
    throw new TidemarkError(errorCodes.vmWrongState, `The VM ${vm.name} is ${vm.state}.`, {
      hint: 'Start it or shut it down, then try again.',
    });
  }
  if (vm.referencePoints.length >= maxReferencePoints) {
    throw new TidemarkError(
      errorCodes.checkpointFailed,
      `The VM ${vm.name} has ${vm.referencePoints.length} reference points already.`,
      { hint: 'Remove those that no backup needs any more.' },
    );
  }
}

function busy(vm: VmDocument): TidemarkError {
  return new TidemarkError(errorCodes.vmBusy, `The VM ${vm.name} has a recovery checkpoint already.`, {
    hint: 'Another backup of this VM is running, or one was left behind: wait for it, or remove its checkpoint.',
  });
}

function notRunning(vm: VmDocument): TidemarkError {
  return new TidemarkError(
    errorCodes.consistencyUnavailable,
    `The VM ${vm.name} does not run, so there is no guest that could make its data consistent.`,
    { hint: 'Ask for a crash-consistent checkpoint.' },
  );
}

/** Asks the guest's VSS to bring its data to rest. */
async function askVss(vm: VmDocument, settings: CheckpointSettings, progress: JobProgress): Promise<void> {
  if (vm.state !== 'running') throw notRunning(vm);
  switch (vm.vss) {
    case 'ok':
      return;
    case 'failing':
      await progress.elapse(settings.jobMs / 2, 40);
      throw new TidemarkError(
        errorCodes.consistencyUnavailable,
        `VSS in the guest of ${vm.name} failed (0x800423F4).`,
        {
          hint: "Look at the guest's event log and `vssadmin list writers`, or allow crash-consistent backups.",
        },
      );
    case 'hanging':
      await pause(settings.vssTimeoutMs, progress.signal);
      throw new TidemarkError(errorCodes.consistencyUnavailable, `VSS in the guest of ${vm.name} did not answer.`, {
        hint: "Restart the guest's VSS service, or allow crash-consistent backups.",
      });
  }
}

async function freeze(vm: LockedVm, request: CheckpointRequest, step: StepHook): Promise<Checkpoint> {
  await removeOrphans(vm);
  await checkDisks(vm);
  const stamp = newId();
  const frozen: CheckpointState['disks'][number][] = [];
  const disks: DiskState[] = [];
  for (const disk of vm.document.disks) {
    const leaf = `${disk.name}_${stamp}.avhdx`;
    await createLeaf(vm.path(disk.leaf), vm.path(leaf));
    step('checkpoint:leaf');
    const tracker = (await vm.tracker(disk)) ?? (await DiskTracker.start(vm.tracking(disk)));
    step('checkpoint:tracking');
    const trackingId = await tracker.seal(neededIds(vm.document));
    if (trackingId === undefined) {
      throw new TidemarkError(errorCodes.checkpointFailed, `Too many reference points hold the disk ${disk.name}.`, {
        hint: 'Remove those that no backup needs any more.',
      });
    }
    frozen.push({ disk: { ...frozenDisk(disk), trackable: true, trackingId }, frozen: disk.leaf, leaf });
    const { dataWriteGuid } = vm.document.state === 'off' ? await diskFacts(vm.path(leaf)) : {};
    disks.push({ ...disk, leaf, dataWriteGuid });
    step('checkpoint:disk');
  }
  const checkpoint: CheckpointState = {
    id: parseCheckpointId(`Microsoft:${stamp}`, 'checkpointId'),
    createdAt: new Date().toISOString(),
    consistency: request.consistency,
    owner: request.owner,
    runId: request.runId,
    disks: frozen,
  };
  await vm.save({ checkpoint, disks });
  step('checkpoint:saved');
  return toCheckpoint(vm.document, checkpoint);
}

function frozenDisk(disk: DiskState): Omit<FrozenDisk, 'trackable'> {
  const { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk;
  return { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes };
}

/** The VM that holds a checkpoint, or is still merging one. Throws `TM2106`. */
export async function vmOfCheckpoint(root: string, checkpoint: CheckpointId): Promise<VmId> {
  const { vms, damaged } = await scanVms(root);
  const found = vms.find((vm) => vm.checkpoint?.id === checkpoint || vm.merge?.checkpoint.id === checkpoint);
  if (found !== undefined) return found.id;
  throw damaged[0]?.error ?? checkpointNotFound(checkpoint);
}

/** The error of a checkpoint that is not there. */
export function checkpointNotFound(checkpoint: CheckpointId): TidemarkError {
  return new TidemarkError(errorCodes.checkpointNotFound, `There is no checkpoint ${checkpoint} on this host.`, {
    hint: 'It was removed or converted, or its VM moved to another host.',
  });
}

/** Removes a checkpoint and merges. Done again after an interruption, it goes on with the merge. Throws `TM2106`. */
export async function removeCheckpoint(
  settings: CheckpointSettings,
  checkpoint: CheckpointId,
  job: JobContext,
): Promise<void> {
  await endCheckpoint(settings, checkpoint, 'remove', job);
}

/** Makes a checkpoint a reference point and merges. Done again after an interruption, it goes on with the merge. Throws `TM2106`. */
export async function convertCheckpoint(
  settings: CheckpointSettings,
  checkpoint: CheckpointId,
  job: JobContext,
): Promise<ReferencePoint> {
  const point = await endCheckpoint(settings, checkpoint, 'convert', job);
  if (point === undefined) throw checkpointNotFound(checkpoint);
  return point;
}

async function endCheckpoint(
  settings: CheckpointSettings,
  id: CheckpointId,
  how: 'remove' | 'convert',
  job: JobContext,
): Promise<ReferencePoint | undefined> {
  const { root, step } = settings;
  const vmId = await vmOfCheckpoint(root, id);
  const progress = new JobProgress(job, how === 'remove' ? 'remove-checkpoint' : 'convert');
  await progress.elapse(settings.jobMs / 2, 90);
  const pointId = await withVm(root, vmId, job.signal, async (vm) => {
    const { checkpoint, merge } = vm.document;
    if (checkpoint?.id !== id) {
      const done = merge?.referencePointId;
      if (merge?.checkpoint.id !== id || (done === undefined) !== (how === 'remove')) throw checkpointNotFound(id);
      return done;
    }
    await settings.closeExports(id);
    step(`${how}:before`);
    const made = how === 'remove' ? undefined : parseReferencePointId(`Microsoft:${newId()}`, 'referencePointId');
    await decide(vm, checkpoint, made);
    step(`${how}:decided`);
    return made;
  });
  progress.report(100);
  const merging = new JobProgress(job, 'merge');
  // The guest goes on writing until the bytes are moved; only for that must it wait.
  await merging.elapse(settings.jobMs / 2, 10);
  return withVm(root, vmId, job.signal, async (vm) => {
    // Somebody else may have merged meanwhile, and even taken the next checkpoint: that one's merge is not ours.
    if (vm.document.merge?.checkpoint.id === id) await finishMerge(vm, merging, step);
    merging.report(100);
    return vm.document.referencePoints.find((point) => point.id === pointId);
  });
}

/** The one write after which the checkpoint is gone, or is a reference point. */
async function decide(vm: LockedVm, checkpoint: CheckpointState, pointId: ReferencePointId | undefined): Promise<void> {
  const { document } = vm;
  const points = [...document.referencePoints];
  if (pointId !== undefined) {
    const disks = checkpoint.disks.flatMap(({ disk: { id: diskId, trackingId } }) =>
      trackingId === undefined ? [] : [{ diskId, trackingId }],
    );
    const { owner, runId, createdAt } = checkpoint;
    points.push({ id: pointId, vmId: document.id, owner, runId, createdAt, disks });
  }
  await vm.save({
    checkpoint: undefined,
    referencePoints: points,
    merge: { checkpoint, referencePointId: pointId, pending: checkpoint.disks.map((entry) => entry.disk.id) },
    // The merge writes to the disk files: until it is done their DataWriteGuid says nothing.
    disks: document.disks.map((disk) => ({ ...disk, dataWriteGuid: undefined })),
  });
}
