/** Who listens to which notification, over connections that come and go. */
import type { DaemonClient } from '../../server/connect/index.ts';
import type { NotificationMessage } from '../../server/protocol/message.ts';
import type { Subscription } from '../base/events.ts';

interface Entry {
  attach(client: DaemonClient): void;
  detach(): void;
}

export class Subscribers {
  readonly #entries = new Set<Entry>();
  #client: DaemonClient | undefined;

  /** Calls `handler` for each notification of the connection that is attached, now and later. */
  add<P>(message: NotificationMessage<P>, handler: (params: P) => void): Subscription {
    let registration: Disposable | undefined;
    const entry: Entry = {
      attach: (client) => (registration = client.onNotification(message, handler)),
      detach: () => {
        registration?.[Symbol.dispose]();
        registration = undefined;
      },
    };
    this.#entries.add(entry);
    if (this.#client !== undefined) entry.attach(this.#client);
    return {
      dispose: () => {
        entry.detach();
        this.#entries.delete(entry);
      },
    };
  }

  /** A new connection: everybody listens to it. */
  attach(client: DaemonClient): void {
    this.detach();
    this.#client = client;
    for (const entry of this.#entries) entry.attach(client);
  }

  /** The connection is gone. */
  detach(): void {
    this.#client = undefined;
    for (const entry of this.#entries) entry.detach();
  }
}
