/** Begins writing to a repository, waiting for a garbage collection that has it for itself for a moment. */
import { setTimeout as sleep } from 'node:timers/promises';

import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { Repository, WriteSession } from '../../repository/index.ts';
import type { RunContext } from './context.ts';

/** A collection deletes under an exclusive lease: mostly seconds. Who holds it for longer is worth a failed run, ms. */
const lockedPatienceMs = 5 * 60_000;
const retryMs = 500;

/** Throws what `beginWrite` throws; `TM4005` only when the repository stays locked for `patienceMs`. */
export async function beginWrite(
  repository: Pick<Repository, 'beginWrite'>,
  context: Pick<RunContext, 'id' | 'signal' | 'log'>,
  patienceMs = lockedPatienceMs,
): Promise<WriteSession> {
  const deadline = performance.now() + patienceMs;
  for (let waiting = false; ; waiting = true) {
    throwIfAborted(context.signal);
    try {
      return await repository.beginWrite({ signal: context.signal, note: `backup ${context.id}` });
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.repositoryLocked) || performance.now() >= deadline) throw error;
      if (!waiting) context.log('info', `Waiting: ${error.message}`);
      // Cancelled while it waits: told at the next turn.
      await sleep(retryMs, undefined, { signal: context.signal }).catch(() => undefined);
    }
  }
}
