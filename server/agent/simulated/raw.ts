/** The disk as the guest sees it, as a raw file. */
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { systemCode } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { copyData } from './disk-copy.ts';
import { withChain } from './disk-files.ts';
import type { ChainReader } from './disk-files.ts';
import { withVm } from './store.ts';

/** Writes what the guest sees of a disk now into a new sparse file. Throws `TM2101`, `TM2102`, and `TM6001` when `outFile` exists. */
export async function exportRaw(
  root: string,
  vm: string,
  disk: string,
  outFile: string,
  signal?: AbortSignal,
): Promise<void> {
  await withVm(root, vm, signal, async (locked) => {
    const state = locked.disk(disk);
    const out = await createTarget(outFile);
    try {
      await withChain(locked.path(state.leaf), (reader) => copyTo(reader, out, signal));
      await out.close();
    } catch (error) {
      await out.close();
      await rm(outFile, { force: true });
      throw error;
    }
  });
}

async function createTarget(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      throw new TidemarkError(errorCodes.targetExists, `${path} exists already.`, {
        hint: 'Choose another file, or delete that one first.',
        cause: error,
      });
    }
    throw new TidemarkError(errorCodes.targetNotWritable, `${path} cannot be written.`, {
      hint: 'Check that its folder exists and may be written to.',
      cause: error,
    });
  }
}

async function copyTo(reader: ChainReader, out: FileHandle, signal: AbortSignal | undefined): Promise<void> {
  await out.truncate(reader.sizeBytes);
  const write = async (part: Buffer, offset: number): Promise<void> => {
    for (let done = 0; done < part.length;) {
      const { bytesWritten } = await out.write(part, done, part.length - done, offset + done);
      done += bytesWritten;
    }
  };
  await copyData(reader, write, signal);
}
