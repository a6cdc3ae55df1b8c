/**
 * Looks after the volumes on which VMs write above our checkpoints. A backup that takes long, or whose daemon never comes back, lets
 * these files grow, and Hyper-V pauses every VM of a volume that is full: before that our checkpoints there go.
 */
import { statfs } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

import { formatBytes } from '../../../base/format.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, VmId } from '../../../protocol/ids.ts';
import type { Core } from '../core.ts';
import { removeCheckpoint } from './endings.ts';
import { ownRules } from '../paths.ts';
import { pause } from '../../work-progress.ts';
import type { Records } from '../records.ts';

/** Looks until the provider ends. Never throws. */
export async function watchSpace(core: Core, records: Records): Promise<void> {
  const { ended } = core.background;
  const leaving = new Set<CheckpointId>();
  for (;;) {
    try {
      await pause(core.timing.spaceMs, ended);
      for (const { id, vmId, space } of await endangered(core, records)) {
        if (leaving.has(id)) continue;
        leaving.add(id);
        // Nobody waits for it: it lasts as long as the merge, and other VMs are in danger too.
        void giveUp(core, id, vmId, space).finally(() => leaving.delete(id));
      }
    } catch (error) {
      if (ended.aborted) return;
      core.log.log('warning', 'The free space below checkpoints could not be looked at.', error);
    }
  }
}

/**
 * Runs `work`, which takes a checkpoint. Its signal is aborted with `TM2115` when one of the folders' volumes is nearly full meanwhile: until the guest
 * has finished with its VSS, which may take minutes, the VM writes above a checkpoint that nobody can remove yet.
 */
export async function whileRoom<T>(
  core: Core,
  folders: Iterable<string>,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const full = new AbortController();
  const over = new AbortController();
  // Not waited for: a share that hangs must not hold up a checkpoint that is there.
  void abortWhenFull(core, [...folders], AbortSignal.any([signal, over.signal, core.background.ended]), full);
  try {
    return await work(AbortSignal.any([signal, full.signal]));
  } finally {
    over.abort();
  }
}

/** Never rejects. */
async function abortWhenFull(
  core: Core,
  folders: readonly string[],
  until: AbortSignal,
  full: AbortController,
): Promise<void> {
  try {
    for (;;) {
      await pause(core.timing.spaceMs, until);
      const space = await nearlyFull(core, folders, new Map());
      if (space !== undefined) return full.abort(filledUp(space));
    }
  } catch (error) {
    if (!until.aborted) core.log.log('warning', 'The free space below a checkpoint could not be looked at.', error);
  }
}

/** How much is free in the first of these folders that has too little; undefined when there is enough in all of them. */
async function nearlyFull(
  core: Core,
  folders: Iterable<string>,
  known: Map<string, number>,
): Promise<string | undefined> {
  for (const folder of folders) {
    const freeBytes = known.get(folder) ?? (await freeBytesOf(folder));
    known.set(folder, freeBytes);
    if (freeBytes < core.freeSpace.lowBytes) return `${formatBytes(freeBytes)} are free in ${folder}`;
  }
  return undefined;
}

function filledUp(space: string): TidemarkError {
  return new TidemarkError(
    errorCodes.hostDiskFull,
    `The checkpoint was given up while it was taken, because the host's disk is nearly full: ${space}.`,
    { hint: 'Free space on that volume, then run the backup again.' },
  );
}

interface Endangered {
  readonly id: CheckpointId;
  readonly vmId: VmId;
  /** How much is free, and where. */
  readonly space: string;
}

/** The checkpoints of ours above which a VM writes to a volume that is nearly full. */
async function endangered(core: Core, records: Records): Promise<readonly Endangered[]> {
  const paths = ownRules === 'windows' ? win32 : posix;
  const known = new Map<string, number>();
  const found: Endangered[] = [];
  for (const { phase, checkpointId: id, vmId, leaves } of records.checkpoints.list()) {
    if (phase !== 'taken' || id === undefined) continue;
    const space = await nearlyFull(core, new Set(leaves.map((leaf) => paths.dirname(leaf))), known);
    if (space !== undefined) found.push({ id, vmId, space });
  }
  return found;
}

async function freeBytesOf(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // A share that only Hyper-V itself may read, which the log says when the checkpoint is taken.
    return Infinity;
  }
}

/** Never rejects. */
async function giveUp(core: Core, id: CheckpointId, vmId: VmId, space: string): Promise<void> {
  const reason = new TidemarkError(
    errorCodes.hostDiskFull,
    `The checkpoint was removed before its backup was done, because the host's disk is nearly full: ${space}.`,
    {
      hint: 'Free space on that volume, then run the backup again. With a faster repository a checkpoint is there for a shorter time.',
    },
  );
  core.log.log('error', `VM ${vmId}: ${reason.message}`);
  try {
    await core.closeExports(id, reason);
    await removeCheckpoint(core, id, { signal: core.background.ended, progress: () => undefined });
  } catch (error) {
    if (core.background.ended.aborted) return;
    core.log.log(
      'warning',
      `The checkpoint of VM ${vmId} could not be removed from a volume that is nearly full.`,
      error,
    );
  }
}
