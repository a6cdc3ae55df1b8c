/** Folders for what is not finished. Whoever makes one holds its lock; one whose lock is free was left by a crash. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { acquireFileLock, tryFileLock } from '../../base/file-lock.ts';
import type { FileLock } from '../../base/file-lock.ts';
import { syncDirectory } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { folderPath, sameName, stagingLockPath } from './layout.ts';
import type { folders } from './layout.ts';
import { listVmDocuments, namesIn, removeFolder, vmNames, withHost, withLock } from './store.ts';

/** The kinds of folders that a crash may leave. */
export type StagingFolder = Extract<keyof typeof folders, 'exports' | 'restoring' | 'creating' | 'incoming'>;

const lockFile = 'owner.lock';
/** SQLITE_NOTADB, https://sqlite.org/rescode.html. */
const sqliteNotADatabase = 26;
/** Longest that looking whether a folder is in use can take, in milliseconds. */
const glanceMs = 10_000;

/** A folder in use by this process. */
export interface Staging {
  readonly id: string;
  readonly path: string;
  /** Removes the folder with everything in it, then gives up the lock. Does nothing the second time. */
  remove(): Promise<void>;
  /** Gives up the lock and leaves the folder to `recover`. */
  release(): void;
}

/** Makes a new folder and holds its lock. */
export async function openStaging(
  root: string,
  folder: StagingFolder,
  signal: AbortSignal | undefined,
  id: string = randomUUID(),
): Promise<Staging> {
  // `recover` must not find the folder before its lock is taken.
  return withLock(stagingLockPath(root), signal, async () => {
    const path = folderPath(root, folder, id);
    await mkdir(path, { recursive: true });
    // Whoever looks whether the folder is in use holds the lock for that moment.
    const lock = await acquireFileLock(join(path, lockFile), { timeoutMs: glanceMs });
    return { id, path, remove: () => removeStaging(root, path, lock), release: () => lock.release() };
  });
}

/** Removes a folder unless a living process uses it; whether it did. */
export async function removeUnused(
  root: string,
  folder: StagingFolder,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  return withLock(stagingLockPath(root), signal, async () => {
    const path = folderPath(root, folder, id);
    if (!existsSync(path) || isInUse(path)) return false;
    await removeFolder(path);
    return true;
  });
}

async function removeStaging(root: string, path: string, lock: FileLock): Promise<void> {
  await withLock(stagingLockPath(root), undefined, async () => {
    // Windows deletes no open file, so the lock goes first there; nobody else may want a folder that is being removed.
    lock.release();
    await removeFolder(path);
  });
}

/** The folders of a kind: names and whether a living process uses each. */
export async function listStaging(
  root: string,
  folder: StagingFolder,
): Promise<readonly { readonly id: string; readonly path: string; readonly inUse: boolean }[]> {
  const found = [];
  for (const id of await namesIn(folderPath(root, folder))) {
    const path = folderPath(root, folder, id);
    found.push({ id, path, inUse: isInUse(path) });
  }
  return found;
}

function isInUse(path: string): boolean {
  const file = join(path, lockFile);
  try {
    const lock = tryFileLock(file);
    lock?.release();
    return lock === undefined;
  } catch (error) {
    // The folder went away meanwhile, or the file is no lock file: nobody holds it. Any other trouble says nothing.
    const notADatabase = error instanceof Error && 'errcode' in error && error.errcode === sqliteNotADatabase;
    if (notADatabase || !existsSync(file)) return false;
    throw error;
  }
}

/** Refuses a name or id that a VM of the host has already. Throws `TM2114`. */
export async function checkFree(root: string, name: string, id?: string): Promise<void> {
  const names = await vmNames(root);
  if (names.some((existing) => sameName(existing, name))) throw vmExists(name);
  if (id === undefined) return;
  const twin = (await listVmDocuments(root)).find((vm) => vm.id === id);
  if (twin !== undefined) throw vmExists(twin.name);
}

function vmExists(name: string): TidemarkError {
  return new TidemarkError(errorCodes.vmExists, `This host has a VM ${name} already.`, {
    hint: 'Choose another name, or remove that VM first.',
  });
}

/** Makes a finished VM folder a VM of the host, in one step. Throws `TM2114` when its name is taken. */
export async function publishVm(
  root: string,
  from: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await withHost(root, signal, async () => {
    await checkFree(root, name);
    await rename(from, folderPath(root, 'vms', name));
    await syncDirectory(folderPath(root, 'vms'));
    await syncDirectory(dirname(from));
  });
}
