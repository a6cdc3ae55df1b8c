/**
 * Moving a VM to another host directory, with its disks, tracking, RAM and reference points.
 *
 * On one file system the move is one rename. Between two, the VM is copied to the other host's `incoming` folder, then
 * one write of the old `vm.json` decides that it has moved, and only then it appears there. A crash leaves it here
 * before that write and there after it; `recover` on either host finishes the rest.
 */
import type { Dirent } from 'node:fs';
import { mkdir, readdir, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { syncDirectory, systemCode, writeFileDurably } from '../../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { vmId } from '../../protocol/ids.ts';
import { object, string } from '../../protocol/parse.ts';
import type { Parsed } from '../../protocol/parse.ts';
import { copySparse } from './disk-copy.ts';
import { JobProgress } from './jobs.ts';
import { folderPath, memoryPath, plainFileName } from './layout.ts';
import { finishMerge } from './merge.ts';
import { checkFree, openStaging } from './staging.ts';
import { failAtStep } from './steps.ts';
import type { StepHook } from './steps.ts';
import { readHost, removeFolder, withHost, withVm, writeVm } from './store.ts';
import type { LockedVm } from './store.ts';

/** `move.json`: what is coming in, and from where. */
export const moveRecord = object({
  vmId,
  name: plainFileName,
  from: string({ maxLength: 4096 }),
});
export type MoveRecord = Parsed<typeof moveRecord>;

/** Moves a VM. Throws `TM2105` while a checkpoint is open, `TM2114` when the other host has its name or id already. */
export async function migrate(
  root: string,
  vm: string,
  otherRoot: string,
  signal: AbortSignal = new AbortController().signal,
  step: StepHook = failAtStep,
): Promise<void> {
  await readHost(root);
  await readHost(otherRoot);
  const from = await realpath(root);
  const to = await realpath(otherRoot);
  if (from === to) {
    throw new TidemarkError(errorCodes.invalidInput, 'A VM cannot move to the host it is on.');
  }
  await withVm(from, vm, signal, async (locked) => {
    const { name, id, checkpoint, merge } = locked.document;
    if (checkpoint !== undefined) {
      throw new TidemarkError(errorCodes.vmWrongState, `The VM ${name} has an open checkpoint.`, {
        hint: 'Wait for its backup to end, or remove the checkpoint.',
      });
    }
    if (merge !== undefined)
      await finishMerge(locked, new JobProgress({ signal, progress: () => undefined }, 'merge'), step);
    await withHost(to, signal, async () => {
      await checkFree(to, name, id);
      await move(locked, to, signal, step);
    });
    await removeFolder(memoryPath(from, id));
    step('move:done');
  });
}

async function move(vm: LockedVm, to: string, signal: AbortSignal, step: StepHook): Promise<void> {
  const { id, name } = vm.document;
  // RAM goes first: a VM that arrived without it would have to be answered for by its .mrt.
  await removeFolder(memoryPath(to, id));
  await copyFolder(memoryPath(vm.root, id), memoryPath(to, id), signal);
  step('move:memory');
  const target = folderPath(to, 'vms', name);
  try {
    await rename(vm.directory, target);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
    await moveByCopy(vm, to, target, signal, step);
    return;
  }
  step('move:renamed');
  await syncDirectory(folderPath(to, 'vms'));
  await syncDirectory(folderPath(vm.root, 'vms'));
}

/** The move between file systems. Exported for tests, which have only one. */
export async function moveByCopy(
  vm: LockedVm,
  to: string,
  target: string,
  signal: AbortSignal,
  step: StepHook,
): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const staging = await openStaging(to, 'incoming', signal);
  let decided = false;
  let arrived = false;
  // Between the decision and the arrival the incoming folder is the VM: only `recover` may touch it.
  cleanup.defer(async () => (decided && !arrived ? staging.release() : staging.remove()));
  const { id, name } = vm.document;
  const record: MoveRecord = { vmId: id, name, from: vm.root };
  await writeFileDurably(join(staging.path, 'move.json'), JSON.stringify(record));
  const incoming = join(staging.path, 'vm');
  await copyFolder(vm.directory, incoming, signal);
  await writeVm(incoming, vm.document);
  await syncDirectory(staging.path);
  step('move:copied');
  throwIfAborted(signal);
  decided = true;
  await vm.save({ movedTo: { root: to, moveId: staging.id } });
  step('move:decided');
  await rename(incoming, target);
  arrived = true;
  await syncDirectory(folderPath(to, 'vms'));
  step('move:arrived');
  await removeMoved(vm.root, name, staging.id);
}

/** Removes what is left of a VM that is elsewhere now. In one step it is no VM any more; `recover` removes the rest if need be. */
export async function removeMoved(root: string, name: string, moveId: string): Promise<void> {
  const away = folderPath(root, 'creating', moveId);
  await rename(folderPath(root, 'vms', name), away);
  await syncDirectory(folderPath(root, 'vms'));
  await removeFolder(away);
}

/** Copies a folder with everything in it, holes and all, durably. A folder that is not there is an empty one. */
async function copyFolder(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await entriesOf(from)) {
    const copy = entry.isDirectory() ? copyFolder : copySparse;
    await copy(join(from, entry.name), join(to, entry.name), signal);
  }
  await syncDirectory(to);
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
