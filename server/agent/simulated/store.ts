/**
 * Reading and changing a host directory. Every change of a VM, by whichever process, takes the VM's lock, reads its
 * state from disk, acts, and writes the state durably; so it does not matter whether an agent serves the directory.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { acquireFileLock } from '../../base/file-lock.ts';
import type { FileLock } from '../../base/file-lock.ts';
import { readJsonFile, systemCode, writeFileDurably } from '../../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { VmId } from '../../protocol/ids.ts';
import { folderPath, folders, hostLockPath, hostPath, sameName, vmFile, vmLockPath } from './layout.ts';
import { hostState, vmState } from './state.ts';
import type { DiskState, HostState, VmDocument } from './state.ts';
import { DiskTracker } from './tracking/disk-tracker.ts';
import type { TrackerQuery } from './tracking/disk-tracker.ts';

/** How long an operation waits for another one on the same VM; a merge of a large disk takes its time. */
const lockTimeoutMs = 600_000;

/** Takes a lock file, and answers an abort with the cancellation error. Throws `TM2112` when it cannot be one. */
async function lockFile(path: string, signal: AbortSignal | undefined): Promise<FileLock> {
  try {
    if (!existsSync(dirname(path))) await mkdir(dirname(path));
    return await acquireFileLock(path, { timeoutMs: lockTimeoutMs, ...(signal && { signal }) });
  } catch (error) {
    throwIfAborted(signal);
    if (TidemarkError.is(error)) throw error;
    throw new TidemarkError(errorCodes.hostStateInvalid, `The lock file ${path} cannot be used.`, {
      hint: 'Check that it may be written to. If it is damaged, delete it while no agent serves the host.',
      cause: error,
    });
  }
}

/** A VM while its lock is held. */
export class LockedVm {
  readonly root: string;
  readonly directory: string;
  #document: VmDocument;

  constructor(root: string, directory: string, document: VmDocument) {
    this.root = root;
    this.directory = directory;
    this.#document = document;
  }

  get document(): VmDocument {
    return this.#document;
  }

  /** Changes the state; durable when it resolves. */
  async save(changes: Partial<VmDocument>): Promise<void> {
    const next = { ...this.#document, ...changes };
    await writeVm(this.directory, next);
    this.#document = next;
  }

  /** Changes one disk's entry, together with other changes. */
  async saveDisk(disk: DiskState, changes: Partial<VmDocument> = {}): Promise<void> {
    const disks = this.#document.disks.map((entry) => (entry.id === disk.id ? disk : entry));
    await this.save({ ...changes, disks });
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  /** The disk of that name or id. Throws `TM2102`. */
  disk(reference: string): DiskState {
    const { disks, name } = this.#document;
    const found =
      disks.find((disk) => disk.id === reference.toUpperCase()) ?? disks.find((disk) => sameName(disk.name, reference));
    if (found !== undefined) return found;
    throw new TidemarkError(errorCodes.diskNotFound, `The VM ${name} has no disk ${reference}.`, {
      hint: `Its disks are: ${disks.map((disk) => disk.name).join(', ')}.`,
    });
  }

  /** Where the disk's tracking lies, and what it must know to be opened. */
  tracking(disk: DiskState): TrackerQuery {
    const { id, state, lastShutdown } = this.#document;
    const off = lastShutdown === 'clean' ? 'off-clean' : 'off-failed';
    return {
      paths: {
        memory: folderPath(this.root, 'memory', id, `${disk.name}.memory`),
        rct: this.path(`${disk.file}.rct`),
        mrt: this.path(`${disk.file}.mrt`),
      },
      moment: state === 'running' ? 'running' : off,
      sizeBytes: disk.sizeBytes,
    };
  }

  /** The disk's tracking; undefined when nothing is known, and then what is left of its files is gone. */
  async tracker(disk: DiskState): Promise<DiskTracker | undefined> {
    const query = this.tracking(disk);
    if (query.moment === 'running')
      await mkdir(folderPath(this.root, 'memory', this.#document.id), { recursive: true });
    const tracker = await DiskTracker.open(query);
    if (tracker === undefined) await DiskTracker.discard(query.paths);
    return tracker;
  }
}

/** Writes a VM's state durably. */
export async function writeVm(directory: string, document: VmDocument): Promise<void> {
  await writeFileDurably(join(directory, vmFile), `${JSON.stringify(document, undefined, 2)}\n`);
}

/** The host's own state. Throws `TM2112` when `root` is no host directory. */
export async function readHost(root: string): Promise<HostState> {
  const state = await readState(hostPath(root), hostState);
  if (state !== undefined) return state;
  throw new TidemarkError(errorCodes.hostStateInvalid, `${root} is not a simulated host.`, {
    hint: 'Make one with `tidemark sim init ROOT`.',
  });
}

async function readState<T>(path: string, parser: (value: unknown, path: string) => T): Promise<T | undefined> {
  try {
    return await readJsonFile(path, parser, 16 * 1024 * 1024);
  } catch (error) {
    if (!TidemarkError.is(error)) throw error;
    throw new TidemarkError(
      errorCodes.hostStateInvalid,
      `The simulated host's file ${path} is damaged: ${error.message}`,
      {
        hint: 'Restore the file, or remove the VM and restore it from a backup.',
        cause: error,
      },
    );
  }
}

/** The state of the VM in one folder; undefined when there is none. Its name is the folder's. */
export async function readVm(directory: string, name: string): Promise<VmDocument | undefined> {
  const document = await readState(join(directory, vmFile), vmState);
  return document === undefined ? undefined : { ...document, name };
}

/** Every VM of the host, by name. A VM that has moved away is not one. Throws `TM2112` when the state of any is damaged. */
export async function listVmDocuments(root: string): Promise<readonly VmDocument[]> {
  const { vms, damaged } = await scanVms(root);
  if (damaged[0] !== undefined) throw damaged[0].error;
  return vms;
}

/** A VM whose `vm.json` cannot be read, and why. */
export interface DamagedVm {
  readonly name: string;
  readonly error: TidemarkError;
}

/** The VMs of the host that can be read, those that have moved away but whose files are still here, and what is wrong with the others. */
export async function scanVms(root: string): Promise<{
  readonly vms: readonly VmDocument[];
  readonly moved: readonly VmDocument[];
  readonly damaged: readonly DamagedVm[];
}> {
  const vms: VmDocument[] = [];
  const moved: VmDocument[] = [];
  const damaged: DamagedVm[] = [];
  for (const name of await vmNames(root)) {
    try {
      const document = await readVm(folderPath(root, 'vms', name), name);
      if (document !== undefined) (document.movedTo === undefined ? vms : moved).push(document);
    } catch (error) {
      damaged.push({ name, error: TidemarkError.from(error) });
    }
  }
  return { vms, moved, damaged };
}

/** The names of the folders in `vms`. */
export async function vmNames(root: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folderPath(root, 'vms'), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') await readHost(root);
    throw error;
  }
}

/** The VM of that name or id. Throws `TM2101`; a VM whose state is damaged does not hide the others. */
async function findVm(root: string, reference: string): Promise<VmDocument> {
  const { vms, damaged } = await scanVms(root);
  const found = vms.find((vm) => vm.id === reference.toUpperCase()) ?? vms.find((vm) => sameName(vm.name, reference));
  if (found !== undefined) return found;
  if (damaged[0] !== undefined) throw damaged[0].error;
  await readHost(root);
  throw new TidemarkError(errorCodes.vmNotFound, `There is no VM ${reference} on this host.`, {
    hint: vms.length === 0 ? 'The host has no VMs.' : `Its VMs are: ${namesOf(vms)}.`,
  });
}

const namesOf = (vms: readonly VmDocument[]): string =>
  vms
    .slice(0, 20)
    .map((vm) => vm.name)
    .join(', ');

/** Finds a VM by name or id, takes its lock, and hands over its state as it is then. Throws `TM2101`, `TM2113`. */
export async function withVm<T>(
  root: string,
  reference: VmId | string,
  signal: AbortSignal | undefined,
  work: (vm: LockedVm) => Promise<T>,
): Promise<T> {
  for (;;) {
    throwIfAborted(signal);
    const { id } = await findVm(root, reference);
    const lock = await lockFile(vmLockPath(root, id), signal);
    try {
      // It may have been renamed, moved or removed while the lock was waited for.
      const now = await findVm(root, reference);
      if (now.id !== id) continue;
      return await work(new LockedVm(root, folderPath(root, 'vms', now.name), now));
    } finally {
      lock.release();
    }
  }
}

/** Runs `work` while nobody else adds or removes VMs. */
export async function withHost<T>(root: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  await readHost(root);
  return withLock(hostLockPath(root), signal, work);
}

/** Runs `work` while holding a lock file. */
export async function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const lock = await lockFile(path, signal);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** The names in a folder, sorted; none when it is not there. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Makes the folders that a host has. */
export async function makeFolders(root: string): Promise<void> {
  for (const folder of Object.values(folders)) await mkdir(join(root, folder), { recursive: true });
}

/** Removes a folder and everything in it. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
