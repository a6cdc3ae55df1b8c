/** Finds the daemon of a data directory, starts it when asked to, and connects. */
import type { DaemonClient } from './client.ts';

/** How to start a daemon: a Node executable and the arguments that make it serve the data directory. */
export interface StartCommand {
  /** Path of a Node executable, version 22.15 or later; never VS Code's own. */
  readonly command: string;
  readonly args: readonly string[];
}

/** Which daemon to connect to. */
export interface ConnectOptions {
  /** Absolute; see `resolveDataDirectory`. */
  readonly dataDirectory: string;
  /** Who connects, for the daemon's log: `tidemark-cli 0.1.0`. */
  readonly client: string;
  /** Starts a daemon when none runs; without it that is `TM5001`. */
  readonly start?: StartCommand | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Protocol versions to offer; this build's own when absent. */
  readonly protocol?: { readonly min: number; readonly max: number } | undefined;
}

/**
 * Connects to the daemon of a data directory. Throws `TM5001` when none runs and none may be started, `TM5002` when what
 * listens is not our daemon or refuses us, `TM5003` when no protocol version is common, `TM5004` when starting failed.
 */
export function connectDaemon(options: ConnectOptions): Promise<DaemonClient> {
  return Promise.reject(new Error(options.dataDirectory));
}
