/** What the operations of this folder need of PowerShell: they see no sessions, no jobs and no retries. */
import type { Command } from './commands/command.ts';
import type { Started } from './commands/index.ts';

/** Calls functions of the module `Tidemark.HyperV`. */
export interface HypervCalls {
  /** The answer of one function. Throws a `TidemarkError` that says what Hyper-V refused. */
  invoke<A extends object, R>(command: Command<A, R>, args: A, signal: AbortSignal): Promise<R>;
  /** Waits until what a function started is done. `progress` gets its percent. When `signal` is aborted the job is ended first. Throws as `invoke`. */
  finish(
    outcome: Started,
    options: { readonly signal: AbortSignal; readonly progress?: (percent: number) => void },
  ): Promise<void>;
}
