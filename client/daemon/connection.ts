/** The connection of this window to its daemon: made when somebody needs it, made again when it is lost. */
import type { DaemonClient } from '../../server/connect/index.ts';
import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../server/protocol/errors.ts';
import type { NotificationMessage, RequestMessage } from '../../server/protocol/message.ts';
import { Emitter } from '../base/events.ts';
import type { Event, Subscription } from '../base/events.ts';
import { backoffMs } from './backoff.ts';
import type { Connected, Connector } from './connector.ts';
import { endedTooOften, notConnectedError, stoppedError, withDeadline } from './connection-errors.ts';
import type { DaemonControl, RequestOptions } from './link.ts';
import { Outcome } from './outcome.ts';
import { Subscribers } from './subscribers.ts';
import type { ConnectionState } from './state.ts';

export interface ConnectionOptions {
  /** Asked at each attempt, so that a changed setting counts. */
  readonly connector: () => Connector;
  /** Whether the local daemon may be started without being asked. */
  readonly autoStart: () => boolean;
  readonly log: (message: string, error?: unknown) => void;
  /** Wait before an attempt, ms; `backoffMs` when absent. */
  readonly backoff?: ((attempt: number) => number) | undefined;
  /** A daemon that ends sooner than this after the connection counts as crashed at its start, ms. */
  readonly shortLifeMs?: number | undefined;
}

const defaultTimeoutMs = 30_000;
/** How long a stop may take, ms: runs clean up first. */
const stopTimeoutMs = 120_000;
/** After so many ends right after the start, nothing is started without being asked. */
const maxShortLives = 3;

export class DaemonConnection implements DaemonControl {
  readonly #options: ConnectionOptions;
  readonly #stateChange = new Emitter<ConnectionState>();
  readonly #connected = new Emitter<DaemonClient>();
  readonly #subscribers = new Subscribers();
  readonly #disposed = new AbortController();
  readonly #outcome = new Outcome();
  #state: ConnectionState = { kind: 'disconnected', reason: 'not-used' };
  #client: DaemonClient | undefined;
  #attempt: { readonly abort: AbortController; readonly mayStart: boolean } | undefined;
  #retry: { readonly timer: NodeJS.Timeout; readonly attempt: number } | undefined;
  #stopping = false;
  #shortLives = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.onNotification(daemon.daemonWillStop, () => (this.#stopping = true));
  }

  readonly onDidChangeState: Event<ConnectionState> = (listener) => this.#stateChange.event(listener);
  readonly onDidConnect: Event<DaemonClient> = (listener) => this.#connected.event(listener);

  get state(): ConnectionState {
    return this.#state;
  }

  async client(signal?: AbortSignal): Promise<DaemonClient> {
    throwIfAborted(signal);
    if (this.#client !== undefined) return this.#client;
    if (this.#state.kind === 'disconnected' && this.#state.reason === 'stopped') throw stoppedError();
    // Somebody waits: a pending retry need not.
    if (this.#attempt === undefined) void this.#begin(this.#retry?.attempt ?? 0, this.#options.autoStart());
    return this.#outcome.wait(signal);
  }

  async request<P, R>(message: RequestMessage<P, R>, params: P, options: RequestOptions = {}): Promise<R> {
    const { timeoutMs = defaultTimeoutMs, signal } = options;
    return withDeadline(timeoutMs, signal, async (limited) => {
      const client = await this.#clientForRequest(limited);
      return client.request(message, params, { signal: limited });
    });
  }

  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Subscription {
    return this.#subscribers.add(message, handler);
  }

  async start(): Promise<void> {
    if (this.#client !== undefined) return;
    this.#shortLives = 0;
    // An attempt that only looks for a daemon would not start one.
    if (this.#attempt?.mayStart !== true) void this.#begin(0, true);
    await this.#outcome.wait();
  }

  async stop(cancelRuns: boolean): Promise<void> {
    const client = await this.client();
    const { instance } = client;
    await withDeadline(stopTimeoutMs, undefined, async (signal) => {
      await client.request(daemon.stopDaemon, { cancelRuns }, { signal });
      this.#stopping = true;
      await this.#options.connector().gone(instance, signal);
    });
    await client.close();
  }

  async restart(cancelRuns: boolean): Promise<void> {
    if (this.#client !== undefined) await this.stop(cancelRuns);
    await this.start();
  }

  async disconnect(): Promise<void> {
    this.#cancelAttempts();
    const client = this.#client;
    this.#client = undefined;
    this.#subscribers.detach();
    this.#settle({ kind: 'disconnected', reason: 'not-used' }, stoppedError());
    await client?.close();
  }

  dispose(): void {
    this.#disposed.abort();
    this.#cancelAttempts();
    this.#outcome.reject(stoppedError());
    const client = this.#client;
    this.#client = undefined;
    this.#stateChange.dispose();
    this.#connected.dispose();
    client?.close().catch((error: unknown) => this.#options.log('closing the connection', error));
  }

  /** Background work neither revives a daemon that failed or was stopped, nor hurries a retry. */
  async #clientForRequest(signal: AbortSignal | undefined): Promise<DaemonClient> {
    if (this.#state.kind === 'failed') throw this.#state.error;
    if (this.#state.kind === 'reconnecting') return this.#outcome.wait(signal);
    return this.client(signal);
  }

  /** One attempt; `attempt` 0 is one that somebody asked for, others are retries. Never throws: the outcome is in the state. */
  async #begin(attempt: number, mayStart: boolean): Promise<void> {
    this.#cancelAttempts();
    const abort = new AbortController();
    const current = { abort, mayStart };
    // Before anybody hears of it: whoever asks for a client then waits for this attempt.
    this.#attempt = current;
    const connector = this.#options.connector();
    if (attempt === 0) this.#setState({ kind: 'starting', step: 'connecting' });
    const connecting = connector.connect({
      mayStart: mayStart && connector.canStart,
      mayAsk: attempt === 0,
      signal: AbortSignal.any([abort.signal, this.#disposed.signal]),
      onStep: (step) => {
        if (!abort.signal.aborted && this.#state.kind !== 'reconnecting') this.#setState({ kind: 'starting', step });
      },
    });
    try {
      const connected = await connecting;
      if (this.#attempt === current) this.#adopt(connected);
      else await connected.client.close();
    } catch (error) {
      if (this.#attempt === current) this.#failed(attempt, TidemarkError.from(error), connector.canStart);
    }
  }

  #adopt({ client, note }: Connected): void {
    this.#attempt = undefined;
    this.#client = client;
    this.#stopping = false;
    const connectedAt = performance.now();
    client.closed.addEventListener('abort', () => this.#lost(client, performance.now() - connectedAt), { once: true });
    this.#subscribers.attach(client);
    const { daemonVersion, instance } = client;
    this.#options.log(`connected to daemon ${daemonVersion}`);
    this.#setState({ kind: 'connected', daemonVersion, instance, ...(note === undefined ? {} : { note }) });
    this.#outcome.resolve(client);
    this.#connected.fire(client);
    if (client.closed.aborted) this.#lost(client, 0);
  }

  #failed(attempt: number, error: TidemarkError, local: boolean): void {
    this.#attempt = undefined;
    this.#options.log('no connection to the daemon', error);
    const { state } = this;
    const away = error.code === errorCodes.daemonNotRunning;
    if (away && state.kind === 'disconnected') return this.#schedule(attempt + 1, error);
    if (away && state.kind === 'reconnecting') return this.#schedule(attempt + 1, error);
    // A local daemon that does not run and may not be started was stopped, whoever did it; a remote one may come back.
    if (away && local) {
      this.#settle({ kind: 'disconnected', reason: 'stopped' }, error);
      return this.#schedule(1, error);
    }
    if (away) {
      this.#outcome.reject(error);
      return this.#schedule(1, error);
    }
    // The user gave up, at a password for instance: whoever waits hears that, the views what it means.
    const cancelled = error.code === errorCodes.cancelled;
    return this.#settle({ kind: 'failed', error: cancelled ? notConnectedError() : error }, error);
  }

  #lost(client: DaemonClient, livedMs: number): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#subscribers.detach();
    const error = TidemarkError.from(client.closed.reason);
    this.#options.log('the connection to the daemon is lost', error);
    if (this.#stopping) {
      this.#settle({ kind: 'disconnected', reason: 'stopped' }, stoppedError());
      return this.#schedule(1, error);
    }
    this.#shortLives = livedMs < (this.#options.shortLifeMs ?? 10_000) ? this.#shortLives + 1 : 0;
    if (this.#shortLives >= maxShortLives) {
      const tooOften = endedTooOften(error);
      return this.#settle({ kind: 'failed', error: tooOften }, tooOften);
    }
    return this.#schedule(1, error);
  }

  /** Plans the next attempt. After a stop it only joins a daemon that somebody else starts, and the state stays as it is. */
  #schedule(attempt: number, error: TidemarkError): void {
    if (this.#disposed.signal.aborted) return;
    const delay = (this.#options.backoff ?? backoffMs)(attempt);
    const stopped = this.#state.kind === 'disconnected';
    if (!stopped) this.#setState({ kind: 'reconnecting', attempt, nextAt: Date.now() + delay, error });
    const timer = setTimeout(() => void this.#begin(attempt, !stopped && this.#options.autoStart()), delay);
    this.#retry = { timer, attempt };
  }

  #cancelAttempts(): void {
    this.#attempt?.abort.abort();
    this.#attempt = undefined;
    clearTimeout(this.#retry?.timer);
    this.#retry = undefined;
  }

  #settle(state: ConnectionState, error: TidemarkError): void {
    this.#setState(state);
    this.#outcome.reject(error);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#stateChange.fire(state);
  }
}
