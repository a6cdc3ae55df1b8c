/** A folder that only the agent's account and administrators may read. */
import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { systemCode } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** Runs Windows' `icacls` with these arguments; rejects when it fails. */
export type Icacls = (args: readonly string[]) => Promise<void>;

/** By SID, because the names of accounts are translated: LocalSystem and the local administrators (well-known SIDs of Windows). */
const trustedSids = ['S-1-5-18', 'S-1-5-32-544'] as const;
/** Everyone, authenticated users, users, and whoever made a file. */
const commonSids = ['S-1-1-0', 'S-1-5-11', 'S-1-5-32-545', 'S-1-3-0'] as const;
const icaclsTimeoutMs = 120_000;

const run = promisify(execFile);

const systemIcacls: Icacls = async (args) => {
  const program = join(process.env['SystemRoot'] ?? String.raw`C:\Windows`, 'System32', 'icacls.exe');
  await run(program, [...args], { windowsHide: true, timeout: icaclsTimeoutMs });
};

/** How to protect a folder; what is absent is this computer's. */
export interface ProtectOptions {
  readonly platform?: NodeJS.Platform;
  readonly icacls?: Icacls;
  /** SIDs of further accounts that may change what is in it: the service's own. */
  readonly accounts?: readonly string[];
}

/** Whether a text is a SID, such as `S-1-5-80-1-2-3-4-5`. */
export function isSid(text: string): boolean {
  return /^S-1-\d{1,15}(-\d{1,10}){1,15}$/.test(text);
}

/**
 * Makes a folder, or takes one that is there, and lets nobody else into it: mode 0700, on Windows the rights of SYSTEM and administrators only. Do this before a secret goes
 * in. Throws `TM1002` when it is no folder or somebody else's, `TM1003` when the rights cannot be set.
 */
export async function makePrivateFolder(path: string, options: ProtectOptions = {}): Promise<void> {
  const { platform = process.platform, icacls = systemIcacls, accounts = [] } = options;
  const strange = accounts.find((account) => !isSid(account));
  if (strange !== undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, `"${strange}" is not the SID of an account.`, {
      hint: 'A SID looks like S-1-5-80-1-2-3-4-5; `whoami /user` shows one.',
    });
  }
  const isNew = await makeFolder(path, platform);
  const found = await lstat(path);
  if (!found.isDirectory()) throw unsuitable(path, 'is a link');
  if (platform === 'win32') {
    await protectOnWindows(path, icacls, accounts, isNew);
    return;
  }
  // Its owner could let others in again, or have put a credential of his own there.
  if (process.getuid !== undefined && found.uid !== process.getuid())
    throw unsuitable(path, 'belongs to another account');
  await chmod(path, 0o700);
}

/**
 * Makes the folder unless it is there, and tells whether it did. On Windows an empty one is made anew: it may be that of another user, who could have it open with
 * the right to change its rights.
 */
async function makeFolder(path: string, platform: NodeJS.Platform): Promise<boolean> {
  try {
    if ((await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined) return true;
    if (platform !== 'win32' || !(await lstat(path)).isDirectory() || (await readdir(path)).length > 0) return false;
    await rmdir(path);
    await mkdir(path);
    return true;
  } catch (error) {
    throw unsuitable(path, 'cannot be made', error);
  }
}

async function protectOnWindows(
  path: string,
  icacls: Icacls,
  accounts: readonly string[],
  isNew: boolean,
): Promise<void> {
  const full = trustedSids.map((sid) => `*${sid}:(OI)(CI)F`);
  const change = accounts.map((sid) => `*${sid}:(OI)(CI)M`);
  try {
    // `/L`: a link is changed itself, not what it leads to.
    await icacls([path, '/setowner', `*${trustedSids[1]}`, '/T', '/L', '/Q']);
    await icacls([path, '/inheritance:r', '/grant:r', ...full, ...change, '/Q']);
    await icacls([path, '/remove:g', ...commonSids.map((sid) => `*${sid}`), '/Q']);
    // What was there before gets the folder's rights instead of its own.
    const names = await readdir(path);
    if (isNew && names.length > 0) {
      throw unsuitable(path, `was just made, and somebody else has put ${JSON.stringify(names[0])} there`);
    }
    if (names.length > 0) await icacls([join(path, '*'), '/reset', '/T', '/L', '/Q']);
  } catch (error) {
    if (TidemarkError.is(error)) throw error;
    const code =
      systemCode(error) ?? (error instanceof Error && 'code' in error ? String(error.code) : 'unknown error');
    throw new TidemarkError(
      errorCodes.invalidFile,
      `The rights of the folder ${path} cannot be set (icacls: ${code}).`,
      {
        hint: 'Run this as an administrator, on a disk with NTFS or ReFS.',
        cause: error,
      },
    );
  }
}

function unsuitable(path: string, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.invalidUsage, `The folder ${path} ${why}.`, {
    hint: 'Give a folder that does not exist yet, or the one of an earlier set-up by the same account.',
    cause,
  });
}
