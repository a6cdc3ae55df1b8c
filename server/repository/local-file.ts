/** Writing files of a directory: whole lists of parts, and files that get their name when they are complete. */
import { writevSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { throwIfAborted } from '../protocol/errors.ts';
import type { UnfinishedFile } from './backend.ts';
import { storageError } from './storage-errors.ts';

/** Pieces of a write, about: a cancel is heard between them. */
const pieceBytes = 4 * 1024 * 1024;

/** Writes all of `parts` at the file's position. */
export async function writeFully(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let rest = parts.filter((one) => one.length > 0);
  while (rest.length > 0) {
    throwIfAborted(signal);
    let bytes = 0;
    const count = rest.findIndex((one) => (bytes += one.length) > pieceBytes) + 1;
    const { bytesWritten } = await handle.writev(rest.slice(0, count === 0 ? rest.length : count));
    rest = afterWritten(rest, bytesWritten);
  }
}

/** What is left of `parts` after their first `written` bytes: a write may end early on a disk that is nearly full. */
function afterWritten(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let done = written;
  let index = 0;
  for (; index < parts.length; index++) {
    const length = parts[index]?.length ?? 0;
    if (done < length) break;
    done -= length;
  }
  const rest = parts.slice(index);
  const first = rest[0];
  if (first !== undefined && done > 0) rest[0] = first.subarray(done);
  return rest;
}

/** A file under a temporary name. For worker threads: appending blocks the thread. */
export class LocalUnfinishedFile implements UnfinishedFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #publish: (name: string) => Promise<void>;
  #open = true;

  /** `publish` renames the flushed and closed file and makes the name durable. */
  constructor(path: string, handle: FileHandle, publish: (name: string) => Promise<void>) {
    this.#path = path;
    this.#handle = handle;
    this.#publish = publish;
  }

  append(parts: readonly Uint8Array[]): void {
    try {
      // In this thread, while the parts are in its processor's cache: that is three times as fast as handing them to another.
      for (let rest = parts.filter((one) => one.length > 0); rest.length > 0;) {
        rest = afterWritten(rest, writevSync(this.#handle.fd, rest));
      }
    } catch (error) {
      throw storageError(error, 'A pack', 'write');
    }
  }

  async finish(name: string): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#close();
      await this.#publish(name);
    } catch (error) {
      await this.discard();
      throw storageError(error, name, 'write');
    }
  }

  async discard(): Promise<void> {
    // What cannot be removed now is a leftover with a name that says so; what failed before matters more.
    await this.#close().catch(() => undefined);
    await rm(this.#path, { force: true }).catch(() => undefined);
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}
