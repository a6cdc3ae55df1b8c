/** The folder of the installed program: copied beside, then put in its place by a rename, so that it is the old one or the new one. */
import { cp, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, win32 } from 'node:path';

import { systemCode } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { mustRun, systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** By SID: LocalSystem, administrators; and everybody who may log on. */
const writers = ['S-1-5-18', 'S-1-5-32-544'] as const;
const readers = ['S-1-5-32-545', 'S-1-5-19', 'S-1-5-20'] as const;

/** A path on a local drive, in the form Windows has it. Throws `TM1002` for anything else: a share is not there when Windows starts. */
export function localPath(text: string, what: string): string {
  const path = win32.normalize(text.trim().replaceAll('/', '\\')).replace(/(?<!:)\\+$/, '');
  const names = path.slice(3).split('\\');
  const usable = /^[A-Za-z]:\\[^:*?"<>|]+$/.test(path) && names.every((name) => /[^. ]$/.test(name));
  if (usable) return path;
  throw new TidemarkError(
    errorCodes.invalidUsage,
    `${what} must be a folder on a drive of this computer, not "${text}".`,
    {
      hint: String.raw`Give a path such as C:\Program Files\Tidemark Agent.`,
    },
  );
}

/** Whether a folder has nothing in it, or is not there. Throws `TM1002` for a link or a file: what is written there would be elsewhere. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) return (await readdir(path)).length === 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true;
    throw error;
  }
  throw new TidemarkError(errorCodes.invalidUsage, `${path} is not a folder.`, { hint: 'Choose another folder.' });
}

/** A program folder on its way. */
export interface StagedFolder {
  /** Puts the new folder in its place; the old one is kept. Throws `TM1900` when somebody uses a file of the old one. */
  swap(): Promise<void>;
  /** Puts the old folder back, or removes the new one when there was none. */
  undo(): Promise<void>;
  /** Removes what is not needed any more. */
  tidy(): Promise<void>;
}

/** What setup.exe puts beside the package. */
const uninstaller = 'Uninstall.exe';

/** Removes what an installation that was cut off has left. Throws `TM1002` for a folder that is somebody else's. */
async function removeRemains(path: string, packageNames: readonly string[]): Promise<void> {
  if (!(await isEmptyFolder(path))) {
    const ours = new Set([...packageNames, uninstaller].map((name) => name.toLowerCase()));
    const strange = (await readdir(path)).find((name) => !ours.has(name.toLowerCase()));
    if (strange !== undefined) {
      throw new TidemarkError(
        errorCodes.invalidUsage,
        `The installation needs the folder ${path} for a while, and ${JSON.stringify(strange)} is in it.`,
        { hint: 'Move that folder elsewhere, or choose another one for the program.' },
      );
    }
  }
  await rm(path, { recursive: true, force: true });
}

/** Copies the package beside `installPath`, readable for all and writable for administrators only. Throws `TM1002` when somebody else's files are there. */
export async function stageProgramFolder(
  run: RunProgram,
  packageFolder: string,
  installPath: string,
): Promise<StagedFolder> {
  const fresh = `${installPath}.new`;
  const old = `${installPath}.old`;
  const names = await readdir(packageFolder);
  for (const path of [fresh, old]) await removeRemains(path, names);
  // Its rights come first: on other drives than that of Windows every user may put files into a new folder, and node.exe would load a DLL from there.
  await mkdir(dirname(fresh), { recursive: true });
  await mkdir(fresh);
  await protectProgramFolder(run, fresh);
  const [strange] = await readdir(fresh);
  if (strange !== undefined) {
    throw new TidemarkError(
      errorCodes.invalidUsage,
      `The folder ${fresh} was just made, and somebody else has put ${JSON.stringify(strange)} there.`,
      { hint: 'Choose a folder for the program that only administrators may write to.' },
    );
  }
  for (const name of names) {
    await cp(join(packageFolder, name), join(fresh, name), { recursive: true, errorOnExist: true, force: false });
  }
  await protectProgramFolder(run, fresh);
  let hadOld = false;
  let swapped = false;
  const remove = async (path: string): Promise<void> =>
    rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  return {
    async swap() {
      hadOld = !(await isEmptyFolder(installPath));
      if (hadOld) await renameFolder(installPath, old);
      else await remove(installPath);
      swapped = true;
      await renameFolder(fresh, installPath);
    },
    async undo() {
      if (swapped) await remove(installPath);
      if (swapped && hadOld) await renameFolder(old, installPath);
      await remove(fresh);
    },
    async tidy() {
      await remove(old);
    },
  };
}

/** Nobody but administrators may put a program where a service of the system starts it. */
export async function protectProgramFolder(run: RunProgram, path: string): Promise<void> {
  const icacls = systemProgram('icacls.exe');
  const full = writers.map((sid) => `*${sid}:(OI)(CI)F`);
  const read = readers.map((sid) => `*${sid}:(OI)(CI)RX`);
  const what = `Setting the rights of ${path}`;
  // `/L`: a link is changed itself, not what it leads to.
  await mustRun(run, what, icacls, [path, '/setowner', `*${writers[1]}`, '/T', '/L', '/Q']);
  await mustRun(run, what, icacls, [path, '/inheritance:r', '/grant:r', ...full, ...read, '/Q']);
  if (await isEmptyFolder(path)) return;
  await mustRun(run, what, icacls, [join(path, '*'), '/reset', '/T', '/L', '/Q']);
}

async function renameFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    throw new TidemarkError(
      errorCodes.internal,
      `The folder ${from} is in use (${systemCode(error) ?? 'unknown error'}).`,
      {
        hint: 'Close every window and program that has this folder or a file of it open, and install again.',
        cause: error,
      },
    );
  }
}
