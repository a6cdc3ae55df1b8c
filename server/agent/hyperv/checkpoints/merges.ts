/**
 * Merging differencing disks. Hyper-V does it by itself some time after a checkpoint is gone, and a finished job says nothing about it:
 * the chain is clean when the VM writes to other files again (`Msvm_ComputerSystem.OperationalStatus`, `Msvm_DiskMergeSettingData`).
 */
import { stat } from 'node:fs/promises';

import type { Logger } from '../../../base/log.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { enableMerge, getMerge } from '../commands/index.ts';
import type { MergeStatus } from '../commands/index.ts';
import { sameFile } from '../paths.ts';
import { Polling } from '../polling.ts';
import type { HyperVTiming } from '../timing.ts';

/** `OperationalStatus[1]`: deleting a checkpoint, merging disks. */
const deleting = 32_770;
const merging = 32_772;

/** The files of a merge. */
export interface MergeFiles {
  /** They go when the merge is done. */
  readonly leaves: readonly string[];
  /** They grow or change while it goes on. */
  readonly bases: readonly string[];
}

/** Watches merges. */
export class Merges {
  readonly #calls: HypervCalls;
  readonly #log: Logger;
  readonly #timing: HyperVTiming;

  constructor(calls: HypervCalls, log: Logger, timing: HyperVTiming) {
    this.#calls = calls;
    this.#log = log;
    this.#timing = timing;
  }

  /** Lets the VM's disks merge again where somebody switched that off, as an export of the configuration alone does. Returns whether it was. */
  async unlock(vm: VmId, signal: AbortSignal): Promise<boolean> {
    const { disabled } = await this.#calls.invoke(getMerge, { VmId: vm }, signal);
    if (disabled) await this.#enable(vm, signal);
    return disabled;
  }

  async #enable(vm: VmId, signal: AbortSignal): Promise<void> {
    await this.#calls.finish(await this.#calls.invoke(enableMerge, { VmId: vm }, signal), { signal });
    this.#log.log('warning', `Merging of disks was switched off for VM ${vm}, and is on again.`);
  }

  /** Whether nothing is left to merge of these files. */
  async isClean(vm: VmId, files: MergeFiles, signal: AbortSignal): Promise<boolean> {
    return isClean(await this.#calls.invoke(getMerge, { VmId: vm }, signal), files);
  }

  /**
   * Waits until the files are merged. Throws `TM2210` when that does not begin, or moves nothing any more; Hyper-V tells no percent of it,
   * so `progress` gets the share of disks that are done.
   */
  async wait(vm: VmId, files: MergeFiles, progress: (percent: number) => void, signal: AbortSignal): Promise<void> {
    const polling = new Polling(this.#timing.pollMs);
    let seen = '';
    let moved = performance.now();
    let enabled = false;
    for (;;) {
      const status = await this.#calls.invoke(getMerge, { VmId: vm }, signal);
      if (isClean(status, files)) return;
      const left = leftOver(status, files);
      if (files.leaves.length > 0) progress((100 * (files.leaves.length - left.length)) / files.leaves.length);
      const now = `${status.operation} ${left.join('|')} ${await changes(files.bases)}`;
      if (now !== seen) moved = performance.now();
      seen = now;
      if (status.disabled) {
        await this.#enable(vm, signal);
        // Only the first time: where it does not stay on, this must end too.
        if (!enabled) moved = performance.now();
        enabled = true;
      }
      const limit = status.operation === merging ? this.#timing.mergeStuckMs : this.#timing.mergeStartMs;
      if (performance.now() - moved > limit) throw stuck(status, left);
      await polling.pause(signal);
    }
  }
}

function isClean(status: MergeStatus, files: MergeFiles): boolean {
  if (status.operation === merging || status.operation === deleting) return false;
  return leftOver(status, files).length === 0;
}

function leftOver({ activePaths }: MergeStatus, { leaves }: MergeFiles): readonly string[] {
  return leaves.filter((leaf) => activePaths.some((path) => sameFile(leaf, path)));
}

/** Sizes and times of the files: another text means that something moved. */
async function changes(paths: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const path of paths) {
    try {
      const { size, mtimeMs } = await stat(path);
      texts.push(`${size}@${mtimeMs}`);
    } catch {
      // A file that is merged away, or that this account may not look at, moves nothing that could be seen.
      texts.push('-');
    }
  }
  return texts.join('|');
}

function stuck(status: MergeStatus, left: readonly string[]): TidemarkError {
  const files = left.length === 0 ? 'its differencing disks' : left.join(', ');
  const doing = status.operation === merging ? 'does not go on merging' : 'does not merge';
  return new TidemarkError(errorCodes.mergeFailed, `The checkpoint is gone, but Hyper-V ${doing} ${files}.`, {
    hint: 'Look at the events 19070 to 19100 of Hyper-V-VMMS, for free space and for programs that hold the files. Hyper-V tries again when the VM is shut down and started. Never merge files by hand while the VM runs.',
  });
}
