/** A typed connection to a daemon, for the CLI and the editor. */
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts';

/** An authenticated connection. Results are parsed; what the daemon reports is thrown as the `TidemarkError` it was. */
export interface DaemonClient extends AsyncDisposable {
  readonly daemonVersion: string;
  /** The protocol both sides chose. */
  readonly protocol: number;
  /** Random id of the daemon process. */
  readonly instance: string;
  /** Aborted with a `TM5001` when the connection ends, for whatever reason. */
  readonly closed: AbortSignal;
  /** Throws the daemon's error, `TM1999` when `signal` aborts, `TM5001` when the connection is lost. */
  request<P, R>(
    message: RequestMessage<P, R>,
    params: P,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<R>;
  /** Calls `handler` for each notification of that kind until disposed. Ones that do not parse are dropped. */
  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Disposable;
  /** Ends the connection; runs go on. */
  close(): Promise<void>;
}
