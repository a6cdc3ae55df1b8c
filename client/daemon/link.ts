/** What stores, views and commands see of the daemon. */
import type { DaemonClient } from '../../server/connect/index.ts';
import type { NotificationMessage, RequestMessage } from '../../server/protocol/message.ts';
import type { Event, Subscription } from '../base/events.ts';
import type { ConnectionState } from './state.ts';

/** How long a request may take and who may give it up. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Deadline, ms; 30 s when absent, none when 0. */
  readonly timeoutMs?: number | undefined;
}

/** The daemon of this window, connected or not. */
export interface DaemonLink {
  readonly state: ConnectionState;
  readonly onDidChangeState: Event<ConnectionState>;
  /** Fires after each successful connection: what was subscribed has to be subscribed again. */
  readonly onDidConnect: Event<DaemonClient>;
  /**
   * A connected client: at once when there is one, else after connecting (starting the daemon when that is allowed). Throws why
   * there is none, `TM5001` to `TM5004`, and `TM1999` when `signal` aborts; the attempt itself goes on for others.
   */
  client(signal?: AbortSignal): Promise<DaemonClient>;
  /** Sends a request to the daemon, connecting first. Throws the daemon's error, `TM5001` when the connection is lost, `TM1999` on abort. */
  request<P, R>(message: RequestMessage<P, R>, params: P, options?: RequestOptions): Promise<R>;
  /** Calls `handler` for each notification, of this connection and of the next ones, until disposed. */
  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Subscription;
}

/** The link, and what only the daemon commands do with it. */
export interface DaemonControl extends DaemonLink {
  /** Connects again after `failed` or `disconnected`, starting the daemon when none runs. */
  start(): Promise<void>;
  /** Stops the daemon, for all windows. Throws `TM5005` while runs are active unless `cancelRuns`. */
  stop(cancelRuns: boolean): Promise<void>;
  /** Stops and starts. Throws as `stop`. */
  restart(cancelRuns: boolean): Promise<void>;
  /** Leaves the daemon as it is and ends the connection; the next request connects again (settings have changed). */
  disconnect(): Promise<void>;
}
