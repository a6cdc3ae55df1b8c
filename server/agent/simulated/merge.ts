/** Puts the differencing disks of an ended checkpoint into their bases. Interrupted anywhere, it is done again from the last finished disk. */
import { rm } from 'node:fs/promises';

import { throwIfAborted } from '../../protocol/errors.ts';
import { stampedDisks } from './disk-check.ts';
import { mergeLeaf } from './disk-files.ts';
import type { JobProgress } from './jobs.ts';
import { neededIds } from './needed-ids.ts';
import type { CheckpointState, MergeState } from './state.ts';
import type { StepHook } from './steps.ts';
import type { LockedVm } from './store.ts';

/** Finishes the VM's pending merge, if it has one; afterwards each disk is one file again. */
export async function finishMerge(vm: LockedVm, progress: JobProgress, step: StepHook): Promise<void> {
  const { merge } = vm.document;
  if (merge === undefined) return;
  const pending = merge.checkpoint.disks.filter((entry) => merge.pending.includes(entry.disk.id));
  for (const [at, entry] of pending.entries()) {
    throwIfAborted(progress.signal);
    await mergeDisk(vm, merge, entry, step, progress, (part) => 10 + (90 * (at + part)) / pending.length);
  }
  for (const disk of vm.document.disks) {
    const tracker = await vm.tracker(disk);
    await tracker?.retain(neededIds(vm.document));
  }
  const off = vm.document.state !== 'running';
  await vm.save({ merge: undefined, ...(off && { disks: await stampedDisks(vm, true) }) });
  progress.report(100);
}

async function mergeDisk(
  vm: LockedVm,
  merge: MergeState,
  entry: CheckpointState['disks'][number],
  step: StepHook,
  progress: JobProgress,
  percentAt: (part: number) => number,
): Promise<void> {
  const disk = vm.disk(entry.disk.id);
  const leaf = vm.path(entry.leaf);
  const base = vm.path(entry.frozen);
  step('merge:before');
  await mergeLeaf(leaf, base, progress.signal, (part) => progress.report(percentAt(part)));
  step('merge:merged');
  const pending = (vm.document.merge ?? merge).pending.filter((id) => id !== disk.id);
  await vm.saveDisk({ ...disk, leaf: entry.frozen }, { merge: { ...merge, pending } });
  step('merge:saved');
  await rm(leaf, { force: true });
  step('merge:removed');
}
