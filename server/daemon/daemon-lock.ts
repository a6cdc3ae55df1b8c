/** One daemon for a data directory: the lock that a daemon holds for its whole life. */
import { setTimeout as sleep } from 'node:timers/promises';

import { tryFileLock } from '../base/file-lock.ts';
import type { FileLock } from '../base/file-lock.ts';
import { readRendezvous, rendezvousPaths } from '../base/rendezvous.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';

/** A daemon that is just stopping is waited for; a client that looks whether the lock is free holds it for a moment. */
const timeoutMs = 5000;
const pollMs = 25;
/** A lock that was held so many times in a row beside rendezvous files is held by a daemon that serves. */
const servingPolls = 8;

/**
 * Takes the lock. Throws `TM5004` when another daemon serves the data directory, as soon as that is clear: a daemon that lost the
 * race to start must not be there to take over when the winner is stopped.
 */
export async function acquireDaemonLock(dataDirectory: string, signal: AbortSignal): Promise<FileLock> {
  const deadline = performance.now() + timeoutMs;
  let serving = 0;
  for (;;) {
    throwIfAborted(signal);
    const lock = tryFileLock(rendezvousPaths(dataDirectory).lock);
    if (lock !== undefined) return lock;
    serving = (await isPublished(dataDirectory)) ? serving + 1 : 0;
    if (serving >= servingPolls || performance.now() >= deadline) {
      throw new TidemarkError(errorCodes.daemonStartFailed, `Another daemon serves ${dataDirectory} already.`, {
        hint: '`tidemark daemon status` shows it.',
      });
    }
    await sleep(pollMs);
  }
}

async function isPublished(dataDirectory: string): Promise<boolean> {
  try {
    return (await readRendezvous(dataDirectory)) !== undefined;
  } catch {
    // Damaged files say nothing about who holds the lock; whoever gets it writes them anew.
    return false;
  }
}
