/** A typed connection to a daemon, for the CLI and the editor. */
import type { Duplex } from 'node:stream';
import type { MessageConnection } from 'vscode-jsonrpc/node';

import { handleNotification, messageConnection, sendRequest } from '../base/json-rpc.ts';
import { daemonProtocol, hello } from '../protocol/daemon.ts';
import { maxDaemonMessageBytes } from '../protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
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

/** Who says hello. */
export interface HelloOptions {
  readonly client: string;
  readonly protocol?: { readonly min: number; readonly max: number } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Speaks JSON-RPC on a stream whose other side has proved itself. On failure the stream is destroyed. */
export async function openDaemonClient(stream: Duplex, options: HelloOptions): Promise<DaemonClient> {
  const connection = messageConnection(stream, maxDaemonMessageBytes);
  const closed = new AbortController();
  connection.onClose(() => {
    closed.abort(connectionLost());
    // Pending requests are rejected by this, not by the close itself.
    connection.dispose();
  });
  connection.listen();
  const protocol = options.protocol ?? daemonProtocol;
  try {
    const answer = await sendRequest(
      connection,
      hello,
      { protocol: { min: protocol.min, max: protocol.max }, client: options.client },
      { signal: options.signal, lost: connectionLost },
    );
    if (answer.protocol < protocol.min || answer.protocol > protocol.max) {
      throw new TidemarkError(
        errorCodes.daemonVersionMismatch,
        `The daemon (${answer.daemonVersion}) chose protocol ${answer.protocol}, which this program does not speak.`,
        { hint: 'Use the same version of Tidemark on both sides.' },
      );
    }
    return new StreamClient(stream, connection, closed.signal, answer);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function connectionLost(cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.daemonNotRunning, 'The connection to the daemon is lost.', {
    hint: 'Runs that were active go on if the daemon still runs. Try again.',
    cause,
  });
}

class StreamClient implements DaemonClient {
  readonly daemonVersion: string;
  readonly protocol: number;
  readonly instance: string;
  readonly closed: AbortSignal;
  readonly #stream: Duplex;
  readonly #connection: MessageConnection;

  constructor(
    stream: Duplex,
    connection: MessageConnection,
    closed: AbortSignal,
    answer: { readonly daemonVersion: string; readonly protocol: number; readonly instance: string },
  ) {
    this.#stream = stream;
    this.#connection = connection;
    this.closed = closed;
    this.daemonVersion = answer.daemonVersion;
    this.protocol = answer.protocol;
    this.instance = answer.instance;
  }

  async request<P, R>(
    message: RequestMessage<P, R>,
    params: P,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<R> {
    if (this.closed.aborted) throw connectionLost(this.closed.reason);
    return sendRequest(this.#connection, message, params, { signal: options.signal, lost: connectionLost });
  }

  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Disposable {
    return handleNotification(this.#connection, message, handler, () => undefined);
  }

  async close(): Promise<void> {
    if (this.#stream.closed) return;
    const done = Promise.withResolvers<void>();
    this.#stream.once('close', done.resolve);
    this.#stream.destroy();
    await done.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
