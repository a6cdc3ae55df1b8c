/** The file that a disk is restored to: complete and durable under its name, or not there at all. */
import { link, open, rename, stat, statfs, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';

import { syncDirectory, systemCode } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { targetError } from './chunk-sink.ts';

/** Bytes at places of a file. */
export interface FilePiece {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Refuses a target that exists (unless `overwrite`), is a folder, or has no room. Errors: `TM6001`, `TM6002`, `TM6003`. */
export async function checkTarget(path: string, dataBytes: number, overwrite: boolean): Promise<void> {
  if (!isAbsolute(path)) {
    throw new TidemarkError(errorCodes.invalidInput, `The target ${path} must be an absolute path.`);
  }
  const existing = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw targetError(path, error);
  });
  if (existing?.isDirectory() === true) {
    throw new TidemarkError(errorCodes.targetNotWritable, `${path} is a folder.`, {
      hint: 'Name a file in it.',
    });
  }
  if (existing !== undefined && !overwrite) throw targetExists(path);
  try {
    const space = await statfs(dirname(path));
    const free = space.bavail * space.bsize;
    if (free < dataBytes) {
      throw new TidemarkError(
        errorCodes.targetDiskFull,
        `${dirname(path)} has ${formatBytes(free)} free, the disk needs ${formatBytes(dataBytes)}.`,
        { hint: 'Free space or choose another folder.' },
      );
    }
  } catch (error) {
    throw targetError(path, error);
  }
}

/** The name under which a target is written before it is complete. */
export function partialPath(target: string, run: string): string {
  return `${target}.${run}.tidemark-partial`;
}

/** Creates the partial file with its final size (sparse) and the first pieces in it. */
export async function createPartial(path: string, fileBytes: number, pieces: readonly FilePiece[]): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx', 0o600);
  } catch (error) {
    throw targetError(path, error);
  }
  try {
    await handle.truncate(fileBytes);
    await writePieces(handle, pieces);
  } catch (error) {
    throw targetError(path, error);
  } finally {
    await handle.close();
  }
}

/** Makes the partial file durable, `last` pieces after everything else, and gives it its name. */
export async function completePartial(
  partial: string,
  target: string,
  last: readonly FilePiece[],
  overwrite: boolean,
): Promise<void> {
  try {
    const handle = await open(partial, 'r+');
    try {
      await handle.sync();
      await writePieces(handle, last);
      if (last.length > 0) await handle.sync();
    } finally {
      await handle.close();
    }
    if (overwrite) await rename(partial, target);
    else await renameWithoutReplacing(partial, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    throw targetError(target, error);
  }
}

/** One `write` may take less than it was given, on a disk that is nearly full for one. */
async function writePieces(handle: FileHandle, pieces: readonly FilePiece[]): Promise<void> {
  for (const { offset, data } of pieces) {
    for (let done = 0; done < data.length;) {
      const { bytesWritten } = await handle.write(data, done, data.length - done, offset + done);
      done += bytesWritten;
    }
  }
}

/** `rename` replaces silently; a hard link does not. File systems without links get the check just before the rename. */
async function renameWithoutReplacing(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
    await unlink(from);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw targetExists(to);
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EOPNOTSUPP'].includes(systemCode(error) ?? '')) throw error;
    const taken = await stat(to).then(
      () => true,
      () => false,
    );
    if (taken) throw targetExists(to);
    await rename(from, to);
  }
}

function targetExists(path: string): TidemarkError {
  return new TidemarkError(errorCodes.targetExists, `${path} exists already.`, {
    hint: 'Choose another name, or let the restore replace it (`--force`).',
  });
}
