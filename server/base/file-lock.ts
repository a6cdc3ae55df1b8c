/**
 * A lock between processes that the operating system releases when its holder dies, however it dies.
 *
 * Node has no `flock`; SQLite has one that works the same on every platform (an exclusive transaction on an empty
 * database file), so there are no stale lock files and no guessing whether a process id is still the same process.
 * Not for network shares: repositories use leases instead.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';

/** A held lock. Releasing twice does nothing. */
export interface FileLock extends Disposable {
  release(): void;
}

/** How long to wait and what to say when the wait is over. */
export interface FileLockOptions {
  /** Milliseconds to wait for another holder; 0 tries once. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The error to throw when the lock is still held after the wait. Default `TM2113`. */
  readonly onTimeout?: () => TidemarkError;
}

const pollMs = 5;

/** Takes the lock at `path` (created when missing). Throws `onTimeout()` when somebody else holds it for too long. */
export async function acquireFileLock(path: string, options: FileLockOptions): Promise<FileLock> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    throwIfAborted(options.signal);
    const lock = tryFileLock(path);
    if (lock !== undefined) return lock;
    if (Date.now() >= deadline) {
      throw (
        options.onTimeout?.() ??
        new TidemarkError(errorCodes.hostLocked, `${path} is in use by another process.`, {
          hint: 'Wait for the other operation to end, then try again.',
        })
      );
    }
    await sleep(pollMs);
  }
}

/** Takes the lock at `path` if nobody holds it. */
export function tryFileLock(path: string): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // A rollback journal in memory leaves no second file beside the lock.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    database.close();
  };
  return { release, [Symbol.dispose]: release };
}

/** SQLITE_BUSY (5) and SQLITE_LOCKED (6), https://sqlite.org/rescode.html. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const code = Number(error.errcode) & 0xff;
  return code === 5 || code === 6;
}
