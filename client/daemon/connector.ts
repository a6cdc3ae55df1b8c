/** How a connection is made: the local daemon, which may be started, or one on another machine. */
import type { DaemonClient } from '../../server/connect/index.ts';
import type { StartStep, VersionNote } from './state.ts';

/** A daemon that answered. */
export interface Connected {
  readonly client: DaemonClient;
  readonly note?: VersionNote | undefined;
}

export interface ConnectAttempt {
  /** Whether a daemon may be started (and an idle older one replaced), or only one that runs be joined. */
  readonly mayStart: boolean;
  /** Whether the user waits for this attempt and may be asked for a password or a confirmation. */
  readonly mayAsk: boolean;
  readonly signal: AbortSignal;
  readonly onStep: (step: StartStep) => void;
}

export interface Connector {
  /** Whether this connector can start a daemon at all. */
  readonly canStart: boolean;
  /** Throws `TM5001` when no daemon answers and none was started, `TM5002` to `TM5004` when trying again would not help. */
  connect(attempt: ConnectAttempt): Promise<Connected>;
  /** Resolves when a daemon that was asked to stop has let go of its data directory. */
  gone(instance: string, signal: AbortSignal): Promise<void>;
}
