/** The files of a VM that is being restored: a new folder of its own, never over anything that exists. */
import { existsSync } from 'node:fs';
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join, relative } from 'node:path';

import { syncDirectory, systemCode } from '../../../base/files.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { DiskId } from '../../../protocol/ids.ts';
import type { VmConfiguration } from '../../../protocol/model.ts';
import { createVhdx } from '../../../vhdx/index.ts';
import type { RestoreDefinition } from '../../provider.ts';
import { isHostPath, isPlainName, isPlainPath, safeName, sameFile } from '../paths.ts';

/** The names that Hyper-V itself uses. */
const folders = { disks: 'Virtual Hard Disks', configuration: 'Virtual Machines', snapshots: 'Snapshots' } as const;
const maxVmNameLength = 64;
/** Of the key of a restore, in the name of its folder. */
const shownKeyLength = 12;
const maxDiskNameLength = 64;
/** MAX_PATH without its terminator: not every part of Hyper-V takes longer paths. */
const maxWindowsPath = 259;

/** A disk of the new VM and its file. */
export interface RestoredDisk {
  readonly id: DiskId;
  readonly name: string;
  readonly path: string;
}

/** Where the files of a restore go: below `root`, in a folder with a name that was never used. Throws `TM2112` for a root that is no plain path, `TM1001` when paths become too long. */
export function planFolder(
  root: string,
  key: string,
  definition: RestoreDefinition,
): { readonly folder: string; readonly disks: readonly RestoredDisk[] } {
  if (!isPlainPath(root)) {
    throw new TidemarkError(
      errorCodes.hostStateInvalid,
      `VMs cannot be restored into the folder ${JSON.stringify(root)}.`,
      {
        hint: 'Set a plain full path as the restore folder of the agent, or as the folder for virtual hard disks in the Hyper-V settings.',
      },
    );
  }
  const folder = join(root, `${safeName(definition.name, maxVmNameLength)} ${key.slice(0, shownKeyLength)}`);
  const taken = new Set<string>();
  const disks = definition.disks.map(({ id, name }) => {
    const path = join(folder, folders.disks, `${freeName(safeName(name, maxDiskNameLength), taken)}.vhdx`);
    if (process.platform === 'win32' && path.length > maxWindowsPath) {
      throw new TidemarkError(errorCodes.invalidInput, `The path ${path} is too long for Windows.`, {
        hint: 'Give the VM a shorter name, or set a restore folder with a shorter path.',
      });
    }
    return { id, name, path };
  });
  return { folder, disks };
}

/** Windows does not tell cases apart. */
function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 2; taken.has(free.toLowerCase()); count++) free = `${name} (${count})`;
  taken.add(free.toLowerCase());
  return free;
}

/**
 * Checks that `path`, in the folder of a restore, lies where it says: that nobody put a link in the place of that folder or of one in it. Links on the way to the restore folder
 * are the administrator's. Throws `TM2112`.
 */
export async function checkPlace(folder: string, path: string): Promise<void> {
  const root = dirname(folder);
  const [realRoot, realPath] = await Promise.all([realpath(root), realpath(path)]);
  if (sameFile(join(realRoot, relative(root, path)), realPath)) return;
  throw new TidemarkError(
    errorCodes.hostStateInvalid,
    `${path} leads to ${realPath}: somebody has put a link in the place of a folder of this restore.`,
    { hint: 'Give the agent a restore folder that only administrators may write to, and look who made that link.' },
  );
}

/** Checks all that Hyper-V is going to be told of a restore. A folder that is missing is made: Hyper-V may remove an empty one with a VM that it gave up. Throws `TM2112`. */
export async function checkPlaces(folder: string, disks: readonly RestoredDisk[]): Promise<void> {
  await checkPlace(folder, folder);
  for (const name of Object.values(folders)) {
    const path = join(folder, name);
    try {
      await mkdir(path);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    await checkPlace(folder, path);
  }
  for (const { path } of disks) await checkPlace(folder, path);
}

/** Makes the folder and its empty disks, durably. Throws `TM6001` when it exists. */
export async function makeFolder(
  root: string,
  folder: string,
  definition: RestoreDefinition,
  disks: readonly RestoredDisk[],
): Promise<void> {
  // The root of a drive cannot be made.
  if (!existsSync(root)) await mkdir(root, { recursive: true });
  try {
    await mkdir(folder);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    throw new TidemarkError(errorCodes.targetExists, `The folder ${folder} exists already.`, {
      hint: 'Start the restore again: it takes another folder.',
    });
  }
  await checkPlaces(folder, []);
  for (const [at, { path }] of disks.entries()) {
    const disk = definition.disks[at];
    if (disk === undefined) continue;
    const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk;
    await createVhdx(path, { sizeBytes, logicalSectorBytes, physicalSectorBytes });
  }
  await syncDirectory(root);
}

/** The configuration files of the backup, written into the folder: where the definition is, and the folder of its snapshots. Undefined without a `.vmcx`. Throws `TM2112` as `checkPlace`. */
export async function writeConfiguration(
  folder: string,
  files: VmConfiguration['files'],
): Promise<{ readonly definition: string; readonly snapshots: string } | undefined> {
  let definition: string | undefined;
  const taken = new Set<string>();
  await checkPlaces(folder, []);
  for (const { name, base64 } of files) {
    const path = join(folder, folders.configuration, name);
    if (!isPlainName(name) || !isHostPath(path, 'configuration') || taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    // A restore that is tried again writes the same again: Hyper-V may have changed what it read. A link that was put there is not followed.
    await rm(path, { force: true });
    await writeFile(path, Buffer.from(base64, 'base64'), { flag: 'wx' });
    if (extname(name).toLowerCase() === '.vmcx') definition ??= path;
  }
  return definition === undefined ? undefined : { definition, snapshots: join(folder, folders.snapshots) };
}

/** Removes a folder with everything in it; nothing when it is not there. */
export async function removeFolder(folder: string): Promise<void> {
  // Hyper-V may let go of its files a moment after it let go of the VM.
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
