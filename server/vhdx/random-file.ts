/** Positional file access as the disk formats need it: whole reads, whole writes. */
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { systemCode } from '../base/files.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { truncated } from './errors.ts';

/** A file that holds a virtual disk. All positions and lengths are bytes. */
export interface RandomFile {
  /** For error texts and for finding parents. */
  readonly path: string;
  size(): Promise<number>;
  /** Fills all of `target`. Throws `TM3003` when the file ends before. */
  read(target: Uint8Array, position: number): Promise<void>;
  write(source: Uint8Array, position: number): Promise<void>;
  /** Sets the file's size; what is added reads as zeros. */
  truncate(size: number): Promise<void>;
  /** Makes all that was written durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

class SystemFile implements RandomFile {
  readonly path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) throw truncated(this.path, `it ends before byte ${position + target.length}`);
      done += bytesRead;
    }
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < source.length;) {
      const { bytesWritten } = await this.#handle.write(source, done, source.length - done, position + done);
      done += bytesWritten;
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const flags = { read: 'r', write: 'r+', create: 'wx+' } as const;

/**
 * Opens a disk file. Throws `TM1003` when it cannot be read or is no regular file, `TM3009` when it cannot be written,
 * and the system's error when a new file cannot be created.
 */
export async function openRandomFile(path: string, mode: keyof typeof flags): Promise<RandomFile> {
  if (mode === 'create') return new SystemFile(path, await open(path, flags.create));
  try {
    // Opening a pipe or a device could wait forever.
    if (!(await stat(path)).isFile()) throw cannotRead(path);
    return new SystemFile(path, await open(path, flags[mode]));
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || TidemarkError.is(error)) throw error;
    if (mode === 'write' && ['EACCES', 'EPERM', 'EROFS', 'EBUSY'].includes(code)) {
      throw new TidemarkError(errorCodes.diskReadOnly, `${path} cannot be written.`, {
        hint: 'Check the permissions of the file, and that no other program has it open.',
        cause: error,
      });
    }
    throw cannotRead(path, error);
  }
}

function cannotRead(path: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.invalidFile, `The disk file ${path} cannot be read.`, {
    hint: 'Check that the path names a file and that you may read it.',
    cause,
  });
}
