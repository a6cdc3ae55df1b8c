/** A directory as storage. Files appear complete and durable: temporary name, fsync, rename, fsync of the directory. */
import type { Dirent } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

import { syncDirectory, systemCode, temporaryName, temporarySuffix } from '../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type {
  GetOptions,
  PieceWriter,
  PutOptions,
  StorageBackend,
  StoredFile,
  StoredPiece,
  UnfinishedFile,
} from './backend.ts';
import { LocalUnfinishedFile, writeFully } from './local-file.ts';
import { storageError } from './storage-errors.ts';

const defaultMaxBytes = 256 * 1024 * 1024;
/** Files asked for their size and time at a time: one after the other, a folder of thousands takes seconds. */
const statsAtATime = 64;
/** What `create` calls a file while it is not finished. */
const piece = /^unfinished\.([0-9A-Z]{26})\.[0-9a-f]{12}\.tmp$/;
const part = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$/;

/** Opens the directory at `location` as a storage. Nothing is read or created yet. */
export function openLocalBackend(location: string): StorageBackend & PieceWriter {
  return new LocalBackend(location);
}

class LocalBackend implements StorageBackend, PieceWriter {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async put(name: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const path = this.#path(name);
    const temporary = temporaryName(path);
    throwIfAborted(options.signal);
    try {
      try {
        await this.#writeTemporary(temporary, parts, options.signal);
        throwIfAborted(options.signal);
        if (options.ifAbsent === true) await renameWithoutReplacing(temporary, path, name);
        else await rename(temporary, path);
      } catch (error) {
        // What cannot be removed now is a leftover with a name that says so; the first error matters more.
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
      await syncDirectory(dirname(path));
    } catch (error) {
      throw storageError(error, name, 'write');
    }
  }

  async create(folder: string, writer: string, signal?: AbortSignal): Promise<UnfinishedFile> {
    throwIfAborted(signal);
    const temporary = temporaryName(this.#path(`${folder}/unfinished.${writer}`));
    try {
      const handle = await this.#create(temporary);
      return new LocalUnfinishedFile(temporary, handle, async (name) => this.#publish(temporary, this.#path(name)));
    } catch (error) {
      throw storageError(error, folder, 'write');
    }
  }

  async get(name: string, options: GetOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal);
    try {
      const handle = await open(this.#path(name), 'r');
      try {
        const { range, maxBytes = defaultMaxBytes } = options;
        const size = range === undefined ? (await handle.stat()).size : range.length;
        if (size > maxBytes) throw damagedFile(name, 'is larger than it can be');
        return await readFully(handle, name, range?.offset ?? 0, size, options.signal);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw storageError(error, name, 'read');
    }
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredFile> {
    return this.#walk(prefix, (name) => !name.endsWith(temporarySuffix), signal);
  }

  listUnfinished(prefix: string, signal?: AbortSignal): AsyncIterable<StoredFile> {
    return this.#walk(prefix, (name) => name.endsWith(temporarySuffix), signal);
  }

  async listPieces(folder: string, signal?: AbortSignal): Promise<readonly StoredPiece[]> {
    throwIfAborted(signal);
    try {
      return (await readdir(this.#path(folder))).flatMap((file) => {
        const writer = piece.exec(file)?.[1];
        return writer === undefined ? [] : [{ name: `${folder}/${file}`, writer }];
      });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw storageError(error, folder, 'read');
    }
  }

  async stat(name: string, signal?: AbortSignal): Promise<StoredFile | undefined> {
    throwIfAborted(signal);
    try {
      const info = await stat(this.#path(name));
      return info.isFile() ? { name, bytes: info.size, modifiedMs: info.mtimeMs } : undefined;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw storageError(error, name, 'read');
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const path = this.#path(name);
    try {
      await unlink(path);
      await syncDirectory(dirname(path));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storageError(error, name, 'write');
    }
  }

  async freeBytes(): Promise<number | null> {
    try {
      const space = await statfs(this.#root);
      return space.bavail * space.bsize;
    } catch (error) {
      throw storageError(error, 'The free space', 'read');
    }
  }

  /** The time of a file just made: a share's clock may differ from ours. A storage that cannot be written has nobody to compare with. */
  async now(): Promise<number> {
    const probe = temporaryName(join(this.#root, 'clock'));
    try {
      const handle = await open(probe, 'wx', 0o600);
      try {
        return (await handle.stat()).mtimeMs;
      } finally {
        await handle.close();
        await rm(probe, { force: true });
      }
    } catch (error) {
      const known = storageError(error, 'The clock probe', 'write');
      if (known.code === errorCodes.repositoryReadOnly || known.code === errorCodes.repositoryFull) return Date.now();
      throw known;
    }
  }

  async #writeTemporary(path: string, parts: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<void> {
    const handle = await this.#create(path);
    try {
      await writeFully(handle, parts, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    await this.#createDirectory(dirname(path));
    return open(path, 'wx', 0o600);
  }

  async #publish(temporary: string, path: string): Promise<void> {
    try {
      await rename(temporary, path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      await this.#createDirectory(dirname(path));
      await rename(temporary, path);
    }
    await syncDirectory(dirname(path));
  }

  /** Never the root itself: a disk that is not mounted must not become an empty repository beside it. */
  async #createDirectory(directory: string): Promise<void> {
    await stat(this.#root);
    const first = await mkdir(directory, { recursive: true, mode: 0o700 });
    // Another writer may have made it a moment ago, and not have flushed its parent yet.
    if (first === undefined) return syncDirectory(dirname(directory));
    for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
  }

  async *#walk(
    prefix: string,
    wanted: (name: string) => boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredFile> {
    throwIfAborted(signal);
    const directory = prefix === '' ? this.#root : this.#path(prefix);
    const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT' && prefix !== '') return [];
      throw storageError(error, prefix === '' ? 'The folder' : prefix, 'read');
    });
    // Names that no writer makes (a file manager's, a file system's) are not the repository's.
    const own = entries.filter((entry) => part.test(entry.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const stats = new Map<string, Promise<StoredFile | undefined>>();
    const nameOf = (entry: Dirent): string => (prefix === '' ? entry.name : `${prefix}/${entry.name}`);
    for (const [index, entry] of own.entries()) {
      if (index % statsAtATime === 0) {
        for (const next of own.slice(index, index + statsAtATime)) {
          if (!next.isFile() || !wanted(nameOf(next))) continue;
          const found = this.stat(nameOf(next), signal);
          // Looked at below, unless an earlier one ends the walk.
          found.catch(() => undefined);
          stats.set(next.name, found);
        }
      }
      if (entry.isDirectory()) yield* this.#walk(nameOf(entry), wanted, signal);
      const file = await stats.get(entry.name);
      stats.delete(entry.name);
      if (file !== undefined) yield file;
    }
  }

  #path(name: string): string {
    const parts = name.split('/');
    if (name.length > 1024 || !parts.every((one) => part.test(one))) {
      throw new TidemarkError(errorCodes.internal, `${JSON.stringify(name)} is not a name of a file in a repository.`);
    }
    return join(this.#root, parts.join(sep));
  }
}

async function readFully(
  handle: FileHandle,
  name: string,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length;) {
    throwIfAborted(signal);
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw damagedFile(name, 'is cut off');
    done += bytesRead;
  }
  return bytes;
}

/** `rename` replaces silently; a hard link does not. Storages without links get the check just before the rename. */
async function renameWithoutReplacing(from: string, to: string, name: string): Promise<void> {
  try {
    await link(from, to);
    await unlink(from);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw exists(name);
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EOPNOTSUPP'].includes(systemCode(error) ?? '')) throw error;
    const taken = await stat(to).then(
      () => true,
      () => false,
    );
    if (taken) throw exists(name);
    await rename(from, to);
  }
}

function exists(name: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryExists, `The repository has a file ${name} already.`);
}

function damagedFile(name: string, how: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${name} in the repository ${how}.`, {
    hint: '`tidemark repo verify` names the restore points that need it.',
  });
}
