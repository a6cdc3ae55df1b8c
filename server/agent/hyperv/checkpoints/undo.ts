/** Taking back a checkpoint that nobody will use: after a failure, and after a cancellation. */
import { findUnnamed, isCreating } from './adopt.ts';
import { filesAbove, lookUp } from './checkpoint-view.ts';
import { startCheckpointRemoval } from '../commands/index.ts';
import type { HypervCheckpoint } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { isDoubtful } from '../failures/doubt.ts';
import { Polling } from '../polling.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { whenFree } from './seen.ts';

/** Removes what a call made, under the VM's lock. Never throws: what cannot be removed stays in the records, and is found by the next list. */
export async function undoCheckpoint(core: Core, records: Records, key: string, reason: unknown): Promise<void> {
  const record = records.checkpoints.get(key);
  if (record === undefined || core.background.ended.aborted) return;
  try {
    const found = await findLeft(core, records, record);
    if (found !== undefined) await remove(core, records, record, found);
    else if (!isDoubtful(reason)) await records.checkpoints.delete(key);
  } catch (error) {
    core.log.log('warning', `A checkpoint of VM ${record.vmId} that is not wanted could not be removed now.`, error);
  }
}

async function findLeft(core: Core, records: Records, record: CheckpointRecord): Promise<HypervCheckpoint | undefined> {
  const { background, timing } = core;
  const { ended } = background;
  if (record.checkpointId !== undefined) return lookUp(core, record.checkpointId, ended);
  const deadline = performance.now() + timing.mergeStuckMs;
  const polling = new Polling(timing.pollMs);
  for (;;) {
    if (!(await isCreating(core, record.vmId, ended)) || performance.now() >= deadline) break;
    await polling.pause(ended);
  }
  return findUnnamed(core, records, record, ended);
}

async function remove(core: Core, records: Records, record: CheckpointRecord, found: HypervCheckpoint): Promise<void> {
  const { calls, background, merges, step } = core;
  const { ended } = background;
  const files = await filesAbove(core, record.vmId, found, ended);
  const removing = await records.checkpoints.put({
    ...record,
    ...files,
    checkpointId: found.id,
    checkpoint: undefined,
    phase: 'removing',
  });
  step('checkpoint:undoing');
  await merges.unlock(record.vmId, ended);
  const args = { CheckpointId: found.id, Unmarked: true };
  const outcome = await whenFree(core, ended, () => calls.invoke(startCheckpointRemoval, args, ended));
  await calls.finish(outcome, { signal: ended });
  await records.checkpoints.put({ ...removing, phase: 'merging' });
  await merges.wait(record.vmId, files, () => undefined, ended);
  await records.checkpoints.delete(record.key);
}
