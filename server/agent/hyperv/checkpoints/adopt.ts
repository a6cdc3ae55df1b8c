/** Finding out what became of what an earlier agent, or an earlier call, had begun: the host is asked, nothing is assumed. */
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, VmId } from '../../../protocol/ids.ts';
import { lookUp, toCheckpoint, filesAbove } from './checkpoint-view.ts';
import { getCheckpoint, getJob, getVm, jobPhase, renameCheckpoint, resolveCheckpoint } from '../commands/index.ts';
import type { HypervCheckpoint, JobPhase } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { isDoubtful } from '../failures/doubt.ts';
import { markText, parseMark } from './marks.ts';
import { findConverted, pointsOf } from './converted-point.ts';
import { virtualPaths } from './preflight.ts';
import type { CheckpointRecord, Records } from '../records.ts';

/** `OperationalStatus[1]`: a checkpoint is being taken. */
const creating = 32_768;
/** Clocks of the agent and of Hyper-V are one, but not read at once. Milliseconds. */
const clockSlackMs = 2_000;
/** Records of VMs that are not on this host are kept that long: the VM may come back. Milliseconds. */
const awayMs = 90 * 24 * 3_600_000;

/**
 * Settles all unfinished records, of one VM or of all. A VM on which this provider works is left alone. Gives a sentence for each
 * thing done; what fails is left for the next time, and said too.
 */
export async function adopt(core: Core, vmId: VmId | undefined, signal: AbortSignal): Promise<readonly string[]> {
  const records = await core.records();
  const vms = new Set(unfinished(records, vmId).map((record) => record.vmId));
  const done: string[] = [];
  for (const vm of vms) {
    done.push(...((await core.locks.tryRun(vm, () => adoptLocked(core, records, vm, signal))) ?? []));
  }
  return done;
}

/** As `adopt`, for one VM whose lock is held. */
export async function adoptLocked(
  core: Core,
  records: Records,
  vmId: VmId,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const done: string[] = [];
  for (const record of unfinished(records, vmId)) {
    throwIfAborted(signal);
    try {
      const line = await settle(core, records, record, signal);
      if (line !== undefined) done.push(line);
    } catch (error) {
      throwIfAborted(signal);
      const { message } = TidemarkError.from(error);
      core.log.log('warning', `What became of a checkpoint of VM ${vmId} is not known yet.`, error);
      done.push(`What became of a checkpoint of VM ${vmId} is not known yet: ${message}`);
    }
  }
  return done;
}

function unfinished(records: Records, vmId: VmId | undefined): readonly CheckpointRecord[] {
  return (
    records.checkpoints
      .list()
      .filter(({ phase, conversion }) => phase !== 'taken' || conversion !== undefined)
      .filter((record) => vmId === undefined || record.vmId === vmId)
      // Of two that could have made a checkpoint, the later one did.
      .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
  );
}

async function settle(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (record.phase === 'starting') return settleStarted(core, records, record, signal);
  const { checkpointId } = record;
  const conversion = record.phase === 'merging' ? undefined : record.conversion;
  const job = conversion === undefined ? 'unknown' : await conversionJob(core, conversion, signal);
  const found = checkpointId === undefined ? undefined : await lookUp(core, checkpointId, signal);
  if (found !== undefined) {
    // Unless it came to nothing, the checkpoint may become a reference point yet, which must be known for ours then.
    if (conversion !== undefined && job !== 'failed') return undefined;
    await records.checkpoints.put({ ...record, phase: 'taken', conversion: undefined });
    return `The checkpoint ${found.id} of VM ${record.vmId} was not removed by the agent that began it.`;
  }
  if (conversion !== undefined) {
    const point = await findConverted(core, records, record, signal);
    // Hyper-V may show it a little later. Its job is gone some minutes after its end.
    if (point === undefined && job !== 'failed' && job !== 'unknown') return undefined;
    await records.checkpoints.put({ ...record, phase: 'merging', conversion: point && conversion });
    return point === undefined ? undefined : `Found reference point ${point.id} of VM ${record.vmId}.`;
  }
  return settleMerge(core, records, record, signal);
}

/** How far the job of a conversion is; `unknown` when there is none of which Hyper-V knows any more. */
async function conversionJob(
  core: Core,
  { jobId }: NonNullable<CheckpointRecord['conversion']>,
  signal: AbortSignal,
): Promise<JobPhase | 'unknown'> {
  if (jobId === undefined) return 'unknown';
  const { job } = await core.calls.invoke(getJob, { JobId: jobId }, signal);
  return job === null ? 'unknown' : jobPhase(job);
}

/** A checkpoint that was asked for, and nobody heard what came of it. */
async function settleStarted(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await findUnnamed(core, records, record, signal);
  if (found === undefined) {
    // The sooner a call that made nothing is forgotten, the surer another product's checkpoint is not taken for what it made.
    const old = Date.now() - Date.parse(record.startedAt) > core.timing.unansweredMs;
    if (!old || (await isCreating(core, record.vmId, signal))) return undefined;
    return forget(core, records, record, signal);
  }
  await claim(core, records, record, found, signal);
  return `Found the checkpoint ${found.id} of VM ${record.vmId}, which an interrupted backup left.`;
}

/** Whether Hyper-V takes a checkpoint of the VM now. */
export async function isCreating(core: Core, vmId: VmId, signal: AbortSignal): Promise<boolean> {
  const { vms } = await core.calls.invoke(getVm, { VmId: vmId }, signal);
  return vms.some((vm) => vm.operationalStatus[1] === creating);
}

/**
 * The checkpoint that the record's call made: the one that Hyper-V ties to its job, else the one that it can have made: not there before it, made
 * about then, and without a mark. That one is another product's when the job failed, and can be when another works on this VM: then it is left alone.
 */
export async function findUnnamed(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<HypervCheckpoint | undefined> {
  const { checkpoints } = await core.calls.invoke(getCheckpoint, { VmId: record.vmId }, signal);
  const named = checkpoints.find((checkpoint) => checkpoint.name === markText(record));
  if (named !== undefined) return named;
  const taken = new Set(records.checkpoints.list().flatMap((other) => other.checkpointId ?? []));
  const candidates = checkpoints.filter((checkpoint) => isCandidate(core, record, checkpoint, taken));
  const id = candidates.length === 0 ? undefined : await provenCheckpoint(core, record, signal);
  const proven = candidates.find((checkpoint) => checkpoint.id === id);
  if (proven !== undefined) return proven;
  const [found] = candidates;
  if (found === undefined || candidates.length > 1) return undefined;
  if (await jobFailed(core, record, signal)) return undefined;
  if (!(await othersWork(core, records, record.vmId, signal))) return found;
  core.log.log(
    'warning',
    `VM ${record.vmId} has a checkpoint without a mark that an interrupted call of Tidemark or another product made: ${found.id}. It is left alone.`,
  );
  return undefined;
}

/** What Hyper-V itself says that the call made; its jobs are known for some minutes. */
async function provenCheckpoint(
  core: Core,
  { vmId, jobId, before }: CheckpointRecord,
  signal: AbortSignal,
): Promise<CheckpointId | undefined> {
  if (jobId === undefined) return undefined;
  const args = { VmId: vmId, JobId: jobId, Before: before };
  const { checkpointId, proven } = await core.calls.invoke(resolveCheckpoint, args, signal);
  return proven ? (checkpointId ?? undefined) : undefined;
}

/** Whether Hyper-V says that the call came to nothing: what is there then is another product's. */
async function jobFailed(core: Core, { jobId }: CheckpointRecord, signal: AbortSignal): Promise<boolean> {
  if (jobId === undefined) return false;
  try {
    await core.calls.finish({ state: 'started', jobId }, { signal });
    return false;
  } catch (error) {
    throwIfAborted(signal);
    return !isDoubtful(error);
  }
}

/** Whether another product backs up the VM, as far as that can be seen: it has reference points that are not ours. */
async function othersWork(core: Core, records: Records, vmId: VmId, signal: AbortSignal): Promise<boolean> {
  const ours = new Set(records.referencePoints.list().map(({ point }) => point.id));
  return (await pointsOf(core, vmId, signal)).some((point) => !ours.has(point.id));
}

function isCandidate(
  core: Core,
  record: CheckpointRecord,
  checkpoint: HypervCheckpoint,
  taken: ReadonlySet<CheckpointId>,
): boolean {
  const { id, vmId, name } = checkpoint;
  if (vmId !== record.vmId || record.before.includes(id) || taken.has(id) || parseMark(name) !== undefined)
    return false;
  const afterMs = Date.parse(checkpoint.createdAt) - Date.parse(record.startedAt);
  return afterMs >= -clockSlackMs && afterMs <= core.timing.lateCheckpointMs;
}

/** Names a checkpoint of ours, and writes down all that is known of it. */
export async function claim(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  found: HypervCheckpoint,
  signal: AbortSignal,
): Promise<CheckpointRecord> {
  const name = markText(record);
  const known = await records.checkpoints.put({ ...record, checkpointId: found.id });
  core.step('checkpoint:resolved');
  if (found.name !== name) {
    await core.calls.finish(await core.calls.invoke(renameCheckpoint, { CheckpointId: found.id, Name: name }, signal), {
      signal,
    });
  }
  core.step('checkpoint:named');
  const described = await core.inventory.describe(virtualPaths(found), signal, true);
  const checkpoint = toCheckpoint(found, known, described);
  const files = await filesAbove(core, record.vmId, found, signal);
  return records.checkpoints.put({ ...known, ...files, phase: 'taken', checkpoint });
}

/** A checkpoint that is gone, with differencing disks that were not merged then. */
async function settleMerge(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { vms } = await core.calls.invoke(getVm, { VmId: record.vmId }, signal);
  if (vms.length === 0) return forget(core, records, record, signal);
  const unlocked = await core.merges.unlock(record.vmId, signal);
  if (record.phase !== 'merging') await records.checkpoints.put({ ...record, phase: 'merging' });
  if (await core.merges.isClean(record.vmId, record, signal)) {
    await records.checkpoints.delete(record.key);
    return undefined;
  }
  return unlocked ? `Merging of disks was switched off for VM ${record.vmId}, and is on again.` : undefined;
}

/** Drops the record of a checkpoint that is gone; one of a VM that is not here waits for the VM. */
export async function forget(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<undefined> {
  const { vms } = await core.calls.invoke(getVm, { VmId: record.vmId }, signal);
  const away = vms.length === 0;
  if (!away || Date.now() - Date.parse(record.startedAt) > awayMs) await records.checkpoints.delete(record.key);
  return undefined;
}
