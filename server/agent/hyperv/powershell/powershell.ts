/** How the provider speaks to PowerShell: one call is one function of the module `Tidemark.HyperV`. */
import type { Logger } from '../../../base/log.ts';
import type { Clock } from '../calls/clock.ts';
import type { Command } from '../commands/command.ts';

/** What an invocation needs besides its arguments. */
export interface InvokeOptions<R> {
  /** Aborted: the call throws at once, whatever PowerShell does. */
  readonly signal: AbortSignal;
  /** Milliseconds without an answer after which PowerShell counts as hung and is replaced. Default: that of the pool. */
  readonly quietMs?: number | undefined;
  /**
   * For functions that change something. Without it, an abort ends the PowerShell that is at work, and what it had begun stays
   * unknown. With it, PowerShell goes on in the background, and this is called once, before the call throws, with what comes of it:
   * the answer, or the error that the call would have thrown. Not called when the function was never sent.
   */
  readonly late?: ((answer: Promise<R>) => void) | undefined;
}

/** A bounded pool of PowerShell sessions. */
export interface PowerShell extends AsyncDisposable {
  /**
   * Calls a function of the module. Waits for a free session, in order.
   *
   * Throws what `moduleFailure` (errors.ts) makes of an error of the function, `TM2202` when PowerShell cannot be started, dies or
   * answers nonsense, `TM2203` when it does not answer, `TM1999` when aborted.
   */
  invoke<A extends object, R>(command: Command<A, R>, args: A, options: InvokeOptions<R>): Promise<R>;
}

/** How sessions are started and bounded. */
export interface PowerShellOptions {
  /** Default: `powerShellExecutable()`. */
  readonly executable?: string | undefined;
  /** The `.psd1` of the module. Default: the one that comes with the program. */
  readonly modulePath?: string | undefined;
  /** Default 4. */
  readonly maxSessions?: number | undefined;
  /** Milliseconds without an answer; default 2 minutes. Functions that may be slow have more (patience.ts). */
  readonly quietMs?: number | undefined;
  /** Milliseconds that a start may take; default 1 minute. */
  readonly startMs?: number | undefined;
  /** A session is replaced after that many invocations; default 500. */
  readonly maxInvocations?: number | undefined;
  /** Milliseconds after which a session that nobody uses ends, except the last; default 10 minutes. */
  readonly idleMs?: number | undefined;
  readonly log: Logger;
  /** The environment of the sessions; default: that of this process. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  readonly clock?: Clock | undefined;
}
