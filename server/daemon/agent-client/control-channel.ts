/** One control connection's requests: typed, cancellable, with job progress, and with heartbeats that notice a silent agent. */
import type { Socket } from 'node:net';

import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc/node';
import type { MessageConnection } from 'vscode-jsonrpc/node';

import { applicationErrorCode, handleNotification } from '../../base/json-rpc.ts';
import { lockedOut } from '../../base/locked-out.ts';
import type { Logger } from '../../base/log.ts';
import { jobDidProgress, ping } from '../../protocol/agent.ts';
import { cancelledError, errorCodes, errorFromReport, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { RequestMessage } from '../../protocol/message.ts';
import { errorReport } from '../../protocol/model.ts';
import type { RequestOptions } from './connection.ts';
import { connectionLost, notAnAgent } from './dial.ts';

/** Largest control message: a VM configuration with its files, base64. */
export const maxControlMessageBytes = 64 * 1024 * 1024;
/** All that an agent may send before it has proved itself. */
const maxUntrustedBytes = 16 * 1024;
/** How often the agent is asked whether it lives, ms. */
export const defaultHeartbeatMs = 15_000;
/** Heartbeats without any byte from the agent after which it is given up: 45 s. */
const maxMissedBeats = 3;
/** How long the agent may take to answer a cancelled request. */
const cancelGraceMs = 5_000;

/** Destroys the socket with `TM2004` when more than a few KiB come before the returned function is called. Call before anything reads from it. */
export function limitUntilTrusted(url: string, socket: Socket): () => void {
  let received = 0;
  const count = (bytes: Buffer): void => {
    received += bytes.length;
    if (received > maxUntrustedBytes) socket.destroy(notAnAgent(url, 'it sends too much before the authentication'));
  };
  socket.on('data', count);
  socket.pause();
  return () => socket.off('data', count);
}

interface SendOptions {
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Whether the agent has proved itself. */
  readonly trusted: boolean;
}

/** A JSON-RPC connection to an agent. */
export class ControlChannel {
  readonly #url: string;
  readonly #socket: Socket;
  readonly #rpc: MessageConnection;
  readonly #log: Logger;
  readonly #closed = new AbortController();
  readonly #jobs = new Map<string, NonNullable<RequestOptions['onJob']>>();
  #nextJob = 1;
  #heartbeat: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(url: string, socket: Socket, rpc: MessageConnection, log: Logger) {
    this.#url = url;
    this.#socket = socket;
    this.#rpc = rpc;
    this.#log = log;
    socket.setKeepAlive(true, 30_000);
    socket.on('error', (error) =>
      this.#lose(TidemarkError.is(error) ? error : connectionLost(url, error.message, error)),
    );
    socket.on('close', () => this.#lose(connectionLost(url, 'the agent closed it')));
    rpc.onError(([error]) => this.#lose(notAnAgent(url, 'it sent something that is no message', error)));
    handleNotification(
      rpc,
      jobDidProgress,
      ({ job, kind, percent }) => this.#jobs.get(job)?.(kind, percent),
      (error) => log.log('warning', `The agent at ${url} sent a progress report that is not valid.`, error),
    );
    rpc.listen();
  }

  /** Aborted when the connection is gone; the reason is a `TidemarkError`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Starts heartbeats, and tells when the connection ends. */
  establish(onClose: ((error: TidemarkError | undefined) => void) | undefined, heartbeatMs: number): void {
    const { signal } = this.#closed;
    const tell = (): void => onClose?.(this.#closing ? undefined : TidemarkError.from(signal.reason));
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
    let seen = -1;
    let missed = 0;
    this.#heartbeat = setInterval(() => {
      const { bytesRead } = this.#socket;
      missed = bytesRead === seen ? missed + 1 : 0;
      seen = bytesRead;
      if (missed >= maxMissedBeats) {
        this.#lose(connectionLost(this.#url, `it was silent for ${(maxMissedBeats * heartbeatMs) / 1000} s`));
        return;
      }
      // The answer does not matter, only that bytes come; a failure shows as silence or as the end of the connection.
      this.#rpc.sendRequest(ping.method, {}).catch(() => undefined);
    }, heartbeatMs);
    this.#heartbeat.unref();
  }

  /** Ends the connection on purpose. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#closed.signal.aborted) return;
    const ended = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
    });
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    this.#lose(
      new TidemarkError(errorCodes.agentConnectionLost, `The connection to the agent at ${this.#url} is closed.`),
      false,
    );
    await ended;
    clearTimeout(timer);
  }

  /** Ends the connection at once. */
  drop(): void {
    this.#closing = true;
    this.#lose(connectionLost(this.#url, 'it was given up'));
  }

  /** A request before the agent has proved itself: what it says went wrong is used only for its code. */
  async exchange<P, R>(message: RequestMessage<P, R>, params: P, signal: AbortSignal): Promise<R> {
    return this.#send(message, params, { signal, graceMs: 0, trusted: false });
  }

  /** See `AgentConnection.request`. */
  async request<P, R>(message: RequestMessage<P, R>, params: P, options: RequestOptions): Promise<R> {
    const { onJob, signal } = options;
    if (onJob === undefined) return this.#send(message, params, { signal, graceMs: cancelGraceMs, trusted: true });
    const job = `job-${this.#nextJob++}`;
    this.#jobs.set(job, onJob);
    try {
      return await this.#send(message, { ...params, job }, { signal, graceMs: cancelGraceMs, trusted: true });
    } finally {
      this.#jobs.delete(job);
    }
  }

  async #send<P, R>(message: RequestMessage<P, R>, params: P, options: SendOptions): Promise<R> {
    const { signal, graceMs, trusted } = options;
    throwIfAborted(signal);
    throwIfAborted(this.#closed.signal);
    const source = new CancellationTokenSource();
    const given = Promise.withResolvers<never>();
    let grace: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      source.cancel();
      const giveUp = (): void =>
        given.reject(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
      grace = setTimeout(giveUp, graceMs);
    };
    const onClosed = (): void => given.reject(this.#closed.signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#closed.signal.addEventListener('abort', onClosed, { once: true });
    let answer: unknown;
    try {
      answer = await Promise.race([this.#rpc.sendRequest(message.method, params, source.token), given.promise]);
    } catch (error) {
      throw this.#requestError(error, message.method, trusted);
    } finally {
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
      this.#closed.signal.removeEventListener('abort', onClosed);
      source.dispose();
    }
    return this.#parse(message, answer);
  }

  #parse<P, R>(message: RequestMessage<P, R>, answer: unknown): R {
    try {
      return message.result(answer, '');
    } catch (error) {
      throw notAnAgent(this.#url, `its answer to ${message.method} is not valid`, error);
    }
  }

  #requestError(error: unknown, method: string, trusted: boolean): TidemarkError {
    if (error instanceof TidemarkError) return error;
    const { signal } = this.#closed;
    if (signal.aborted) return TidemarkError.from(signal.reason);
    if (error instanceof ResponseError && error.code === applicationErrorCode) {
      try {
        const reported = errorFromReport(errorReport(error.data, 'error'));
        return trusted ? reported : untrusted(this.#url, reported);
      } catch (parseError) {
        return notAnAgent(this.#url, `its error for ${method} is not valid`, parseError);
      }
    }
    return notAnAgent(this.#url, `it did not accept ${method}`, error);
  }

  #lose(error: TidemarkError, destroy = true): void {
    clearInterval(this.#heartbeat);
    if (destroy) this.#socket.destroy();
    if (this.#closed.signal.aborted) return;
    if (!this.#closing) this.#log.log('warning', error.message, error.cause);
    this.#closed.abort(error);
    this.#rpc.dispose();
  }
}

/** An error from an agent that has not proved itself: one of a few known meanings in our own words, never its text. */
function untrusted(url: string, error: TidemarkError): TidemarkError {
  if (error.code === errorCodes.agentAuthenticationFailed) {
    return new TidemarkError(error.code, `The agent at ${url} refused the password.`, {
      hint: 'Give the password that was chosen when the agent was installed.',
      cause: error,
    });
  }
  if (error.code === errorCodes.agentCertificateMismatch) {
    return new TidemarkError(
      error.code,
      `The encrypted connection to ${url} does not end at the agent: somebody is in between.`,
      { hint: 'Look for a proxy or anything else that opens TLS between this computer and the host.', cause: error },
    );
  }
  if (error.code === errorCodes.agentLockedOut) return lockedOut();
  if (error.code === errorCodes.agentBusy) {
    return new TidemarkError(error.code, `The agent at ${url} serves as many daemons as it takes at a time.`, {
      hint: 'Wait until one of them is done. A restart of the agent ends all connections.',
      cause: error,
    });
  }
  return notAnAgent(url, 'the authentication failed', error);
}
