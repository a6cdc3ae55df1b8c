/** A link to a fake daemon that is connected when the test says so. */
import type { DaemonClient } from '../../../../server/connect/index.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import type { NotificationMessage, RequestMessage } from '../../../../server/protocol/message.ts';
import { Emitter } from '../../../../client/base/events.ts';
import type { Subscription } from '../../../../client/base/events.ts';
import { withDeadline } from '../../../../client/daemon/connection-errors.ts';
import type { DaemonLink, RequestOptions } from '../../../../client/daemon/link.ts';
import type { ConnectionState } from '../../../../client/daemon/state.ts';
import { Subscribers } from '../../../../client/daemon/subscribers.ts';
import type { FakeClient } from './fake-daemon.ts';

export class FakeLink implements DaemonLink {
  state: ConnectionState = { kind: 'disconnected', reason: 'not-used' };
  readonly #states = new Emitter<ConnectionState>();
  readonly #connects = new Emitter<DaemonClient>();
  readonly #subscribers = new Subscribers();
  #client: FakeClient | undefined;
  readonly onDidChangeState = this.#states.event;
  readonly onDidConnect = this.#connects.event;

  connect(client: FakeClient): void {
    this.#client = client;
    this.#subscribers.attach(client);
    this.#set({ kind: 'connected', daemonVersion: client.daemonVersion, instance: client.instance });
    this.#connects.fire(client);
  }

  lose(): void {
    this.#client?.lose();
    this.#client = undefined;
    this.#subscribers.detach();
    const error = new TidemarkError(errorCodes.daemonNotRunning, 'lost');
    this.#set({ kind: 'reconnecting', attempt: 1, nextAt: 0, error });
  }

  async client(): Promise<DaemonClient> {
    await Promise.resolve();
    if (this.#client === undefined) throw new TidemarkError(errorCodes.daemonNotRunning, 'not connected');
    return this.#client;
  }

  async request<P, R>(message: RequestMessage<P, R>, params: P, options: RequestOptions = {}): Promise<R> {
    const client = await this.client();
    const { timeoutMs = 30_000, signal } = options;
    return withDeadline(timeoutMs, signal, async (limited) => client.request(message, params, { signal: limited }));
  }

  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Subscription {
    return this.#subscribers.add(message, handler);
  }

  #set(state: ConnectionState): void {
    this.state = state;
    this.#states.fire(state);
  }
}
