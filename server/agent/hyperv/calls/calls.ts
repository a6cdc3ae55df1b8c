/** What the operations of this folder need of PowerShell: they see no sessions, no jobs and no retries. */
import type { Logger } from '../../../base/log.ts';
import type { Command } from '../commands/command.ts';
import type { Started } from '../commands/index.ts';

/** Calls functions of the module `Tidemark.HyperV`. */
export interface HypervCalls {
  /** The answer of one function. Throws a `TidemarkError` that says what Hyper-V refused. */
  invoke<A extends object, R>(command: Command<A, R>, args: A, signal: AbortSignal): Promise<R>;
  /** Waits until what a function started is done. `progress` gets its percent. When `signal` is aborted Hyper-V is asked to end the job, and this throws without waiting for that. Throws as `invoke`. */
  finish(
    outcome: Started,
    options: { readonly signal: AbortSignal; readonly progress?: (percent: number) => void },
  ): Promise<void>;
}

/** Never aborted: what is begun on the host must be known, so that it can be brought to an end. Only waiting is cancelled. */
export const uncancelled = new AbortController().signal;

/** Waits until a job has ended, however it does: what came of it is then read from the host. */
export async function settle(calls: HypervCalls, log: Logger, outcome: Started): Promise<void> {
  try {
    await calls.finish(outcome, { signal: uncancelled });
  } catch (error) {
    log.log('info', 'A job of Hyper-V did not succeed, or is gone.', error);
  }
}
