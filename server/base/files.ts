/** Durable file operations. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { json } from '../protocol/parse.ts';
import type { Parser } from '../protocol/parse.ts';

/** Suffix of files that are not finished; whoever finds one after a crash may delete it. */
export const temporarySuffix = '.tmp';

/** A name for a temporary file beside `path`. */
export function temporaryName(path: string): string {
  return join(dirname(path), `${basename(path)}.${randomBytes(6).toString('hex')}${temporarySuffix}`);
}

/** The system error code of `error` (`ENOENT`, `ENOSPC`, …), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Makes a rename or creation in `directory` durable. Windows has no directory fsync in Node (EPERM, EISDIR);
 * NTFS journals the rename itself.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes `path` so that after any crash it holds either its old content or all of the new: temporary file, fsync, rename, directory fsync. */
export async function writeFileDurably(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o644);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Reads and parses a JSON file of at most `maxBytes`; undefined when it does not exist. */
export async function readJsonFile<T>(
  path: string,
  parser: Parser<T>,
  maxBytes = 64 * 1024 * 1024,
): Promise<T | undefined> {
  let text: string;
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) {
        throw new TidemarkError(errorCodes.invalidFile, `${path} is larger than ${maxBytes} bytes.`);
      }
      text = await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  return json(text, parser, path);
}

/** Reads a password file: its first line, without the line end. Throws `TM1003` when it is missing or empty. */
export async function readPasswordFile(path: string): Promise<string> {
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, `The password file ${path} cannot be read.`, {
      hint: 'Give the path of a file whose first line is the password.',
      cause: error,
    });
  }
  // Windows PowerShell writes UTF-16, and editors of Windows begin files with a byte order mark.
  const text = data.toString(data[0] === 0xff && data[1] === 0xfe ? 'utf16le' : 'utf8');
  const password = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1)[0] ?? '';
  if (password === '') {
    throw new TidemarkError(errorCodes.invalidFile, `The password file ${path} is empty.`, {
      hint: 'Its first line must be the password.',
    });
  }
  return password;
}
