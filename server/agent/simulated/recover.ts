/** Finishing or undoing what a crash left in a host directory. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readJsonFile, syncDirectory, systemCode, temporarySuffix } from '../../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { settleDisk } from './disk-files.ts';
import { JobProgress } from './jobs.ts';
import { folderPath, memoryPath, sameName } from './layout.ts';
import { finishMerge } from './merge.ts';
import { moveRecord, removeMoved } from './migrate.ts';
import { removeOrphans } from './orphans.ts';
import { listStaging, removeUnused } from './staging.ts';
import type { StagingFolder } from './staging.ts';
import {
  listVmDocuments,
  namesIn,
  readHost,
  readVm,
  removeFolder,
  scanVms,
  vmNames,
  withHost,
  withVm,
} from './store.ts';
import type { StepHook } from './steps.ts';

interface Arrival {
  readonly id: string;
  readonly name: string;
  readonly moveId: string;
}

const leftovers: readonly (readonly [Exclude<StagingFolder, 'incoming'>, string])[] = [
  ['exports', 'Removed the unfinished export'],
  ['restoring', 'Removed the unfinished restore'],
  ['creating', 'Removed the unfinished VM'],
];

/** Puts the host in order; what living processes use is left alone. Returns a sentence for each thing done. */
export async function recover(root: string, step: StepHook, signal: AbortSignal): Promise<readonly string[]> {
  await readHost(root);
  const done: string[] = [];
  for (const [folder, text] of leftovers) {
    for (const { id } of await listStaging(root, folder)) {
      throwIfAborted(signal);
      if (await removeUnused(root, folder, id, signal)) done.push(`${text} ${id}.`);
    }
  }
  done.push(...(await finishIncoming(root, signal)), ...(await finishOutgoing(root, signal)));
  const { vms, damaged } = await scanVms(root);
  for (const { id, name } of vms) done.push(...(await tryRecoverVm(root, id, name, step, signal)));
  for (const { error } of damaged) done.push(error.message);
  if (damaged.length === 0) await forgetMemory(root, signal);
  for (const entry of await readdir(root)) {
    if (entry.endsWith(temporarySuffix)) await rm(join(root, entry), { force: true });
  }
  return done;
}

/** A VM that cannot be put in order, because its files are damaged, must not keep the others from being served. */
async function tryRecoverVm(
  root: string,
  id: string,
  name: string,
  step: StepHook,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await recoverVm(root, id, name, step, signal);
  } catch (error) {
    throwIfAborted(signal);
    if (TidemarkError.is(error, errorCodes.vmNotFound)) return [];
    if (!TidemarkError.is(error)) throw error;
    return [`The VM ${name} cannot be put in order: ${error.message}`];
  }
}

async function recoverVm(
  root: string,
  id: string,
  name: string,
  step: StepHook,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return withVm(root, id, signal, async (vm) => {
    const done: string[] = [];
    if (vm.document.merge !== undefined) {
      await finishMerge(vm, new JobProgress({ signal, progress: () => undefined }, 'merge'), step);
      done.push(`Finished the interrupted merge of the VM ${name}.`);
    }
    for (const disk of vm.document.disks) await settleDisk(vm.path(disk.leaf));
    const orphans = await removeOrphans(vm);
    if (orphans > 0) done.push(`Removed ${orphans} unfinished files of the VM ${name}.`);
    if (vm.document.state !== 'running') await removeFolder(memoryPath(root, id));
    return done;
  });
}

/** RAM of VMs that are not here any more. */
async function forgetMemory(root: string, signal: AbortSignal): Promise<void> {
  await withHost(root, signal, async () => {
    const here = (await listVmDocuments(root)).map((vm) => vm.id);
    for (const id of await namesIn(folderPath(root, 'memory'))) {
      if (!here.some((vm) => vm === id)) await removeFolder(memoryPath(root, id));
    }
  });
}

/** VMs that were coming in when a process died: in, if the other host had decided that they moved; else they are still there. */
async function finishIncoming(root: string, signal: AbortSignal): Promise<readonly string[]> {
  const done: string[] = [];
  for (const { id, path, inUse } of await listStaging(root, 'incoming')) {
    if (inUse) continue;
    const record = await readJsonFile(join(path, 'move.json'), moveRecord);
    if (record === undefined) {
      await removeUnused(root, 'incoming', id, signal);
      continue;
    }
    const source = await readSource(record.from, record.name);
    if (source === 'unreachable') {
      done.push(
        `The VM ${record.name} was moving here from ${record.from}, which cannot be read: it is left as it is.`,
      );
      continue;
    }
    if (source?.id === record.vmId && source.movedTo?.moveId === id) {
      await arrive(root, join(path, 'vm'), { id: record.vmId, name: record.name, moveId: id }, signal);
      await removeMoved(record.from, record.name, id);
      done.push(`Finished the move of the VM ${record.name} from ${record.from}.`);
    } else {
      done.push(`Undid the move of the VM ${record.name} from ${record.from}.`);
    }
    await removeFolder(path);
  }
  return done;
}

async function readSource(root: string, name: string): Promise<Awaited<ReturnType<typeof readVm>> | 'unreachable'> {
  try {
    await readHost(root);
    return await readVm(folderPath(root, 'vms', name), name);
  } catch (error) {
    // Without the other host's word nothing may be deleted.
    if (TidemarkError.is(error) || systemCode(error) !== undefined) return 'unreachable';
    throw error;
  }
}

/** Makes an incoming VM one of the host, unless it is already; a name that was taken meanwhile gets a suffix. */
async function arrive(root: string, from: string, vm: Arrival, signal: AbortSignal): Promise<void> {
  await withHost(root, signal, async () => {
    if ((await scanVms(root)).vms.some((other) => other.id === vm.id)) return;
    const taken = (await vmNames(root)).some((other) => sameName(other, vm.name));
    const name = taken ? `${vm.name}-${vm.moveId.slice(0, 8)}` : vm.name;
    await rename(from, folderPath(root, 'vms', name));
    await syncDirectory(folderPath(root, 'vms'));
  });
}

/** VMs that had moved away when a process died. */
async function finishOutgoing(root: string, signal: AbortSignal): Promise<readonly string[]> {
  const done: string[] = [];
  for (const vm of (await scanVms(root)).moved) {
    if (vm.movedTo === undefined) continue;
    const { name } = vm;
    const { root: to, moveId } = vm.movedTo;
    const here = await isOn(to, vm.id);
    const incoming =
      here === undefined ? undefined : (await listStaging(to, 'incoming')).find(({ id }) => id === moveId);
    if (incoming?.inUse === true) continue;
    if (here === undefined || (!here && incoming === undefined)) {
      done.push(`The VM ${name} was moving to ${to}, where it cannot be found: its files are left as they are.`);
      continue;
    }
    if (incoming !== undefined) await arrive(to, join(incoming.path, 'vm'), { id: vm.id, name, moveId }, signal);
    await removeMoved(root, name, moveId);
    if (incoming !== undefined) await removeFolder(incoming.path);
    done.push(`Finished the move of the VM ${name} to ${to}.`);
  }
  return done;
}

/** Whether a host has a VM; undefined when the host cannot be read. */
async function isOn(root: string, id: string): Promise<boolean | undefined> {
  try {
    await readHost(root);
    return (await listVmDocuments(root)).some((vm) => vm.id === id);
  } catch (error) {
    if (TidemarkError.is(error) || systemCode(error) !== undefined) return undefined;
    throw error;
  }
}
