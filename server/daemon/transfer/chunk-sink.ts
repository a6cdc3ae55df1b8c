/** Where a restore worker puts chunks: into a raw file, into a VHDX file of fixed layout, or through an agent onto a host. */
import { closeSync, openSync, writeSync } from 'node:fs';

import { systemCode } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { openDataConnection } from '../agent-client/data-connection.ts';
import type { RestoreTarget } from './restore-messages.ts';

/** Takes chunks in any order. */
export interface ChunkSink {
  /** Resolves when `chunk` may be reused. */
  write(chunk: Uint8Array, diskOffset: number): Promise<void>;
  /** No chunks follow. */
  finish(): Promise<void>;
  /** Releases everything; safe at any time. */
  close(): void;
}

/** Opens the sink of a target. Files must exist and have their size. */
export async function openSink(target: RestoreTarget, signal: AbortSignal): Promise<ChunkSink> {
  if (target.type === 'agent') {
    const connection = await openDataConnection(target.access, signal);
    const writer = connection.beginWrite({ sessionId: target.sessionId, diskId: target.diskId });
    return {
      write: async (chunk, diskOffset) => writer.write(diskOffset, chunk),
      finish: async () => writer.finish(),
      close: () => connection.close(),
    };
  }
  if (target.type === 'raw') return new FileSink(target.path, (chunk, offset, write) => write(chunk, offset));
  const { blockBytes, blockOffsets } = target;
  return new FileSink(target.path, (chunk, offset, write) => {
    for (let done = 0; done < chunk.length;) {
      const inBlock = (offset + done) % blockBytes;
      const length = Math.min(chunk.length - done, blockBytes - inBlock);
      const block = (offset + done - inBlock) / blockBytes;
      const blockOffset = blockOffsets[block] ?? -1;
      if (blockOffset < 0) throw new TidemarkError(errorCodes.internal, `Block ${block} has no place in the file.`);
      write(chunk.subarray(done, done + length), blockOffset + inBlock);
      done += length;
    }
  });
}

type Write = (bytes: Uint8Array, fileOffset: number) => void;

/** Positional writes into one file; synchronous, since the worker has nothing else to do. */
class FileSink implements ChunkSink {
  readonly #path: string;
  readonly #place: (chunk: Uint8Array, diskOffset: number, write: Write) => void;
  #descriptor: number | undefined;

  constructor(path: string, place: (chunk: Uint8Array, diskOffset: number, write: Write) => void) {
    this.#path = path;
    this.#place = place;
    this.#descriptor = openSync(path, 'r+');
  }

  async write(chunk: Uint8Array, diskOffset: number): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw new TidemarkError(errorCodes.internal, `${this.#path} is closed already.`);
    this.#place(chunk, diskOffset, (bytes, fileOffset) => {
      try {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, fileOffset + done);
        }
      } catch (error) {
        throw targetError(this.#path, error);
      }
    });
  }

  async finish(): Promise<void> {
    this.close();
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** What a failed operation on the target file means for the user. */
export function targetError(path: string, error: unknown): TidemarkError {
  switch (systemCode(error) ?? '') {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TidemarkError(errorCodes.targetDiskFull, `There is no room left for ${path}.`, {
        hint: 'Free space or choose another folder; the partial file is removed.',
        cause: error,
      });
    case 'EFBIG':
      return new TidemarkError(
        errorCodes.targetNotWritable,
        `The file system cannot hold a file as large as ${path}.`,
        {
          hint: `Choose a folder on another file system (a FAT32 file ends at ${formatBytes(4 * 1024 ** 3)}).`,
          cause: error,
        },
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
      return new TidemarkError(errorCodes.targetNotWritable, `${path} cannot be written.`, {
        hint: 'Check that the folder exists and that the daemon may write there.',
        cause: error,
      });
    default:
      return TidemarkError.is(error)
        ? error
        : new TidemarkError(errorCodes.restoreFailed, `Writing ${path} failed.`, { cause: error });
  }
}
