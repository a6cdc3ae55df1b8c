/** The two ends of a checkpoint: it is removed, or becomes a reference point. Both are done when its differencing disks are merged. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, VmId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import type { JobContext } from '../../provider.ts';
import { checkpointNotFound, filesAbove, isOurs, lookUp, readableDisks, recordOf } from './checkpoint-view.ts';
import { startCheckpointRemoval, startConversion } from '../commands/index.ts';
import type { HypervCheckpoint } from '../commands/index.ts';
import { awaitConverted, dropPoint, findConverted, pointsOf, withProof } from './converted-point.ts';
import type { Core } from '../core.ts';
import { toVmDisks } from '../inventory/describe.ts';
import { isDoubtful } from '../failures/doubt.ts';
import { parseMark } from './marks.ts';
import { virtualPaths } from './preflight.ts';
import { WorkProgress } from '../../work-progress.ts';
import { newRecordKey } from '../records.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { finish, whenFree } from './seen.ts';

/** Percent of a job when Hyper-V's own is done; and of a merge when it is waited for. */
const donePercent = 90;
const waitingPercent = 10;

/**
 * Removes a checkpoint of ours and waits for the merge; of one that is removed but not merged yet, only that. Throws `TM2106`, `TM2218` for one of another product,
 * and `TM2210` when the merge does not come to an end. Once begun it goes on when it is cancelled.
 */
export async function removeCheckpoint(core: Core, id: CheckpointId, job: JobContext): Promise<void> {
  const progress = new WorkProgress(job, 'remove-checkpoint');
  await locked(core, id, job, async (records, vmId) => {
    const { ended } = core.background;
    const checkpoint = await lookUp(core, id, ended);
    const record = recordOf(records, id);
    if (checkpoint === undefined) {
      const gone = record?.phase === 'merging' || record?.phase === 'removing';
      if (!gone || record.conversion !== undefined) throw checkpointNotFound(id);
      await waitForMerge(core, records, record, job);
      return;
    }
    const begun = await begin(core, records, vmId, checkpoint, record, 'removing');
    core.step('remove:recorded');
    const unmarked = parseMark(checkpoint.name) === undefined;
    const args = { CheckpointId: id, Unmarked: unmarked };
    await endOf(core, records, begun, async () => {
      const outcome = await whenFree(core, ended, () => core.calls.invoke(startCheckpointRemoval, args, ended));
      core.step('remove:started');
      await core.calls.finish(outcome, { signal: ended, progress: progress.part(0, donePercent) });
    });
    progress.report(100);
    // An earlier conversion may have come to its end instead.
    const point = begun.conversion === undefined ? undefined : await findConverted(core, records, begun, ended);
    const conversion = point === undefined ? undefined : begun.conversion;
    const merging = await records.checkpoints.put({ ...begun, phase: 'merging', conversion });
    core.step('remove:gone');
    await waitForMerge(core, records, merging, job);
    core.step('remove:merged');
  });
}

/**
 * Makes a checkpoint of ours a reference point and waits for the merge. Throws `TM2106`, `TM2218`, and `TM2107` when Hyper-V gives no reference point that
 * could be counted from: then there is no checkpoint any more, or it is there as before. A merge that is stuck only goes to the log; the next checkpoint waits for it.
 */
export async function convertCheckpoint(core: Core, id: CheckpointId, job: JobContext): Promise<ReferencePoint> {
  const progress = new WorkProgress(job, 'convert');
  return locked(core, id, job, async (records, vmId) => {
    const checkpoint = await lookUp(core, id, core.background.ended);
    if (checkpoint === undefined) throw checkpointNotFound(id);
    const begun = await beginConversion(core, records, vmId, checkpoint);
    core.step('convert:recorded');
    const point = await convert(core, records, begun, job.signal, progress);
    const merging = await records.checkpoints.put({ ...begun, phase: 'merging' });
    progress.report(100);
    try {
      if (point !== undefined && job.signal.aborted) await dropPoint(core, records, vmId, point.id);
      await waitForMerge(core, records, merging, job);
    } catch (error) {
      core.log.log('warning', `The disks of VM ${vmId} are not merged yet.`, error);
    }
    core.step('convert:merged');
    throwIfAborted(job.signal);
    if (point === undefined) throw noPoint();
    return point;
  });
}

/** Runs `work` for the VM of a checkpoint of ours, alone. */
async function locked<T>(
  core: Core,
  id: CheckpointId,
  job: JobContext,
  work: (records: Records, vmId: VmId) => Promise<T>,
): Promise<T> {
  const { background, locks, timing } = core;
  const wanted = AbortSignal.any([job.signal, background.ended]);
  throwIfAborted(wanted);
  const records = await core.records();
  const vmId = recordOf(records, id)?.vmId ?? (await lookUp(core, id, wanted))?.vmId;
  if (vmId === undefined) throw checkpointNotFound(id);
  return background.run(`Checkpoint ${id}`, job.signal, () =>
    locks.run(vmId, timing.busyMs, wanted, () => {
      throwIfAborted(wanted);
      return work(records, vmId);
    }),
  );
}

/** Writes down what is about to be done with a checkpoint. Throws `TM2218` for one that is not ours. */
async function begin(
  core: Core,
  records: Records,
  vmId: VmId,
  checkpoint: HypervCheckpoint,
  record: CheckpointRecord | undefined,
  phase: 'removing' | 'converting',
  conversion?: CheckpointRecord['conversion'],
): Promise<CheckpointRecord> {
  const { id, name, createdAt } = checkpoint;
  const mark = record ?? parseMark(name);
  if (mark === undefined || !isOurs(checkpoint, record)) throw notOurs(name);
  const { ended } = core.background;
  const files = await filesAbove(core, vmId, checkpoint, ended);
  const { owner, runId, consistency } = mark;
  const base = record ?? {
    format: 1,
    key: newRecordKey(),
    vmId,
    owner,
    runId,
    consistency,
    startedAt: createdAt,
    before: [],
  };
  const begun = await records.checkpoints.put({
    ...base,
    ...files,
    checkpointId: id,
    phase,
    conversion: conversion ?? record?.conversion,
  });
  // Only now: from here on none is opened any more.
  await core.closeExports(id);
  await core.merges.unlock(vmId, ended);
  return begun;
}

async function beginConversion(
  core: Core,
  records: Records,
  vmId: VmId,
  checkpoint: HypervCheckpoint,
): Promise<CheckpointRecord> {
  const { ended } = core.background;
  const found = await core.inventory.describe(virtualPaths(checkpoint), ended, true);
  const disks = readableDisks(toVmDisks(vmId, checkpoint.disks, found))
    .filter(({ frozen }) => frozen.trackable)
    .map(({ attached, frozen }) => ({ instanceId: attached.instanceId, diskId: frozen.id, file: attached.path }));
  const points = await pointsOf(core, vmId, ended);
  const before = points.map((point) => point.id);
  const conversion = { before, disks };
  return begin(core, records, vmId, checkpoint, recordOf(records, checkpoint.id), 'converting', conversion);
}

/**
 * Asks Hyper-V to end a checkpoint, and gives whether it said that this is done. After a failure it is looked whether the checkpoint is gone
 * all the same; when not, all is as before.
 */
async function endOf(
  core: Core,
  records: Records,
  begun: CheckpointRecord,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const { checkpointId: id } = begun;
    const still = id === undefined ? undefined : await lookUp(core, id, core.background.ended);
    if (still === undefined) {
      core.log.log(
        'warning',
        `The checkpoint of VM ${begun.vmId} is gone, although Hyper-V reported a failure.`,
        error,
      );
      return false;
    }
    // A conversion that may still come to its end must be found then.
    const conversion = isDoubtful(error) ? records.checkpoints.get(begun.key)?.conversion : undefined;
    await records.checkpoints.put({ ...begun, phase: 'taken', conversion });
    throw error;
  }
}

/** The reference point that the checkpoint became, written down as ours; undefined when there is none that is of use. */
async function convert(
  core: Core,
  records: Records,
  begun: CheckpointRecord,
  cancelled: AbortSignal,
  progress: WorkProgress,
): Promise<ReferencePoint | undefined> {
  const { calls, background, step } = core;
  const { checkpointId: id, consistency } = begun;
  if (id === undefined) return undefined;
  const isDone = await endOf(core, records, begun, async () => {
    const args = { CheckpointId: id, Consistency: consistency };
    const answer = await whenFree(core, cancelled, () => calls.invoke(startConversion, args, background.ended));
    await records.checkpoints.put(withProof(begun, answer));
    step('convert:started');
    await finish(core, answer.outcome, cancelled, progress.part(0, donePercent));
  });
  step('convert:converted');
  return awaitConverted(core, records, records.checkpoints.get(begun.key) ?? begun, isDone);
}

async function waitForMerge(core: Core, records: Records, record: CheckpointRecord, job: JobContext): Promise<void> {
  const progress = new WorkProgress(job, 'merge');
  progress.report(waitingPercent);
  await core.merges.wait(record.vmId, record, progress.part(waitingPercent, 99), core.background.ended);
  await records.checkpoints.delete(record.key);
  progress.report(100);
}

function notOurs(name: string): TidemarkError {
  return new TidemarkError(
    errorCodes.notOwnObject,
    `The checkpoint "${name.slice(0, 200)}" was not made by Tidemark.`,
    {
      hint: 'Tidemark removes only its own. Let the product that made it remove it.',
    },
  );
}

function noPoint(): TidemarkError {
  return new TidemarkError(
    errorCodes.checkpointFailed,
    'Hyper-V made no reference point whose tracking ids belong to the disks of the checkpoint.',
    { hint: 'The next backup reads all data again. When this happens each time, reset change tracking of the VM.' },
  );
}
