/**
 * Taking and listing recovery checkpoints (`Msvm_VirtualSystemSnapshotService.CreateSnapshot`). What is asked of Hyper-V is written
 * down before, so that a checkpoint is known for ours at any moment: before it has its name, and after this process died.
 */
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, OwnerId, RunId, VmId } from '../../../protocol/ids.ts';
import type { Checkpoint, Consistency } from '../../../protocol/model.ts';
import type { JobContext } from '../../provider.ts';
import { adopt, adoptLocked, claim, forget } from './adopt.ts';
import { lookUp, recordOf, toCheckpoint } from './checkpoint-view.ts';
import { getCheckpoint, resolveCheckpoint, startCheckpoint } from '../commands/index.ts';
import type { HypervCheckpoint, Started } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { findVm, foldersOf, preflight, virtualPaths } from './preflight.ts';
import { pause, WorkProgress } from '../../work-progress.ts';
import { newRecordKey } from '../records.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { finish, untilSeen, whenFree } from './seen.ts';
import { whileRoom } from './space-watch.ts';
import { undoCheckpoint } from './undo.ts';

/** What a checkpoint is asked for with. */
export interface CheckpointRequest {
  readonly vmId: VmId;
  readonly runId: RunId;
  readonly owner: OwnerId;
  readonly consistency: Consistency;
}

/** Percent of the job when Hyper-V is asked, and when its job is done. */
const askedPercent = 5;
const takenPercent = 90;

/**
 * Takes a checkpoint; when the guest's VSS fails, once more after a while, for what disturbs it is often short. Throws what `preflight` does, `TM2107` and `TM2108` when Hyper-V or the guest fails, `TM2115` when a volume gets full meanwhile, and what PowerShell fails with.
 * When it throws, no checkpoint is left, or the records know that one may be.
 */
export async function createCheckpoint(core: Core, request: CheckpointRequest, job: JobContext): Promise<Checkpoint> {
  const progress = new WorkProgress(job, 'checkpoint');
  const { background, locks, timing } = core;
  const wanted = AbortSignal.any([job.signal, background.ended]);
  const { vmId, consistency } = request;
  let asked = false;
  const attempt = (): Promise<Checkpoint> =>
    locks.run(vmId, timing.busyMs, wanted, async () => {
      const records = await core.records();
      await adoptLocked(core, records, vmId, wanted);
      const { vm } = await preflight(core, vmId, consistency, wanted);
      asked = true;
      return whileRoom(core, foldersOf(vm), job.signal, (signal) => make(core, records, request, progress, signal));
    });
  return background.run(`Checkpoint of VM ${vmId}`, job.signal, async () => {
    try {
      return await attempt();
    } catch (error) {
      if (!asked || !isGuestFailure(error)) throw error;
      const seconds = Math.round(timing.guestRetryMs / 1000);
      core.log.log('warning', `VM ${vmId}: the guest's VSS failed; tried once more in ${seconds} s.`, error);
    }
    await pause(timing.guestRetryMs, wanted);
    return attempt();
  });
}

/** Whether the guest failed and said so. One that only hangs has kept the VM waiting for long enough. */
function isGuestFailure(error: unknown): boolean {
  return (
    TidemarkError.is(error, errorCodes.consistencyUnavailable) &&
    !TidemarkError.is(error.cause, errorCodes.operationStalled)
  );
}

async function make(
  core: Core,
  records: Records,
  request: CheckpointRequest,
  progress: WorkProgress,
  cancelled: AbortSignal,
): Promise<Checkpoint> {
  const wanted = AbortSignal.any([cancelled, core.background.ended]);
  const { vmId, owner, runId, consistency } = request;
  const record = await records.checkpoints.put({
    format: 1,
    key: newRecordKey(),
    vmId,
    owner,
    runId,
    consistency,
    startedAt: new Date().toISOString(),
    before: [],
    phase: 'starting',
    leaves: [],
    bases: [],
  });
  progress.report(askedPercent);
  try {
    core.step('checkpoint:recorded');
    throwIfAborted(wanted);
    const taken = await take(core, records, record, progress, cancelled);
    throwIfAborted(cancelled);
    core.step('checkpoint:done');
    progress.report(100);
    return taken;
  } catch (error) {
    await undoCheckpoint(core, records, record.key, error);
    throw failure(error, consistency);
  }
}

async function take(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  progress: WorkProgress,
  cancelled: AbortSignal,
): Promise<Checkpoint> {
  const { calls, background, guestBackupType, step } = core;
  const { vmId, consistency } = record;
  const { ended } = background;
  const args = { VmId: vmId, Consistency: consistency, GuestBackupType: guestBackupType };
  const { before, outcome, created } = await whenFree(core, cancelled, () =>
    calls.invoke(startCheckpoint, args, ended),
  );
  const jobId = outcome.state === 'started' ? outcome.jobId : undefined;
  const started = await records.checkpoints.put({ ...record, before: [...before], jobId });
  step('checkpoint:started');
  await finish(core, outcome, cancelled, progress.part(askedPercent, takenPercent));
  step('checkpoint:job-done');
  const found = await untilSeen(core, () => findMade(core, vmId, outcome, before, created));
  if (found === undefined) throw notSeen();
  const { checkpoint } = await claim(core, records, started, found, ended);
  const expected = found.disks.filter((disk) => disk.kind === 'virtual').length;
  if (checkpoint === undefined || checkpoint.disks.length !== expected) throw notReadable();
  return checkpoint;
}

/** The checkpoint that the call made; undefined while Hyper-V does not show it. */
async function findMade(
  core: Core,
  vmId: VmId,
  outcome: Started,
  before: readonly CheckpointId[],
  created: CheckpointId | null,
): Promise<HypervCheckpoint | undefined> {
  const { ended } = core.background;
  let id = created;
  if (id === null && outcome.state === 'started') {
    const args = { VmId: vmId, JobId: outcome.jobId, Before: before };
    id = (await core.calls.invoke(resolveCheckpoint, args, ended)).checkpointId;
  }
  return id === null ? undefined : lookUp(core, id, ended);
}

function notSeen(): TidemarkError {
  return new TidemarkError(errorCodes.outcomeUnknown, 'Hyper-V reports a checkpoint that it does not show.', {
    hint: 'Run the backup again. When this happens again, look at the checkpoints of the VM in Hyper-V Manager.',
  });
}

function notReadable(): TidemarkError {
  return new TidemarkError(errorCodes.hostStateInvalid, 'A disk of the checkpoint cannot be read.', {
    hint: 'Check the files of its disks and their parents on the host. The checkpoint was removed again.',
  });
}

/** What went wrong, in the codes by which a daemon decides whether crash consistency would do. */
function failure(error: unknown, consistency: Consistency): TidemarkError {
  const found = TidemarkError.from(error);
  const { message, hint } = found;
  if (TidemarkError.is(found, errorCodes.hypervOperationFailed)) {
    return new TidemarkError(errorCodes.checkpointFailed, message, { hint, cause: found });
  }
  // What takes so long is the guest: Hyper-V waits for its VSS.
  if (consistency === 'application' && TidemarkError.is(found, errorCodes.operationStalled)) {
    return new TidemarkError(
      errorCodes.consistencyUnavailable,
      `The guest did not make its data consistent: ${message}`,
      {
        hint: "Restart the guest's VSS service, or allow crash-consistent backups.",
        cause: found,
      },
    );
  }
  return found;
}

/** The recovery checkpoints on the host, or of one VM, of anybody; also ours that are gone but whose disks are not merged yet. Throws `TM2101`. */
export async function listCheckpoints(
  core: Core,
  vmId: VmId | undefined,
  signal: AbortSignal,
): Promise<readonly Checkpoint[]> {
  await core.host.get(signal);
  if (vmId !== undefined) await findVm(core, vmId, signal);
  const records = await core.records();
  const filter = vmId === undefined ? {} : { VmId: vmId };
  const { checkpoints } = await core.calls.invoke(getCheckpoint, filter, signal);
  // Only now: what is on Hyper-V's list and came of an interrupted call is known for ours then.
  await adopt(core, vmId, signal);
  await pruneTaken(core, records, checkpoints, vmId, signal);
  const told = checkpoints.map((checkpoint) => ({ checkpoint, record: recordOf(records, checkpoint.id) }));
  const toRead = told.filter(({ record }) => record?.checkpoint === undefined);
  const found = await core.inventory.describe(
    toRead.flatMap(({ checkpoint }) => virtualPaths(checkpoint)),
    signal,
  );
  // The records are younger than Hyper-V's list: what went since then is in it still.
  const listed = told.map(({ checkpoint, record }) => toCheckpoint(checkpoint, record, found));
  const ending = records.checkpoints.list().flatMap((record) => {
    const { checkpoint } = record;
    if (checkpoint === undefined || !isEnding(record)) return [];
    const shown = (vmId === undefined || checkpoint.vmId === vmId) && !listed.some(({ id }) => id === checkpoint.id);
    return shown ? [checkpoint] : [];
  });
  return [...listed, ...ending];
}

/** Whether a checkpoint is removed, but its disks may not be merged yet. Hyper-V lets it go before the job of its removal ends. */
function isEnding({ phase, conversion }: CheckpointRecord): boolean {
  return phase === 'removing' || (phase === 'merging' && conversion === undefined);
}

/** Drops records of checkpoints that somebody else removed. */
async function pruneTaken(
  core: Core,
  records: Records,
  checkpoints: readonly HypervCheckpoint[],
  vmId: VmId | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const record of records.checkpoints.list()) {
    // One with a conversion may have become a reference point: that is for `adopt` to find out.
    if (record.phase !== 'taken' || record.conversion !== undefined) continue;
    if (vmId !== undefined && record.vmId !== vmId) continue;
    const { checkpointId: id } = record;
    if (id === undefined || checkpoints.some((checkpoint) => checkpoint.id === id)) continue;
    await core.locks.tryRun(record.vmId, async () => {
      // The list is older than the lock: what was taken meanwhile is not on it.
      if ((await lookUp(core, id, signal)) !== undefined) return;
      await forget(core, records, record, signal);
    });
  }
}
