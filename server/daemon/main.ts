/** The daemon: one process for one data directory. */
import type { Logger } from '../base/log.ts';

/** What `runDaemon` needs. */
export interface DaemonOptions {
  /** Absolute; created when missing, readable by its owner only. */
  readonly dataDirectory: string;
  /** Version text of this build. */
  readonly version: string;
  /** Aborting it stops the daemon as SIGTERM does: runs are cancelled and clean up first, for a bounded time. */
  readonly signal: AbortSignal;
  /** Gets every log line besides the log file; for `tidemark daemon run` on a terminal. */
  readonly log?: Logger | undefined;
}

/**
 * Serves until stopped (by a client, SIGTERM, SIGINT or `signal`), then resolves. Throws `TM5004` when another daemon serves
 * the data directory or the state there cannot be used.
 */
export function runDaemon(options: DaemonOptions): Promise<void> {
  return Promise.reject(new Error(options.dataDirectory));
}
