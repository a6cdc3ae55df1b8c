/** Events without VS Code: what stores and the connection tell others. A `vscode.Event` to whoever wants one. */

/** Ends a subscription, or frees what it stands for. Calling it again does nothing. */
export interface Subscription {
  dispose(): void;
}

/** Subscribes a listener. */
export type Event<T> = (listener: (value: T) => void) => Subscription;

/** The side that fires. A listener that throws is reported and does not keep the others from hearing. */
export class Emitter<T> implements Subscription {
  readonly #listeners = new Set<{ readonly call: (value: T) => void }>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void = reportLater) {
    this.#onError = onError;
  }

  readonly event: Event<T> = (listener) => {
    // The same function may listen twice: each subscription is its own entry.
    const entry = { call: listener };
    this.#listeners.add(entry);
    return { dispose: () => void this.#listeners.delete(entry) };
  };

  fire(value: T): void {
    // A copy: a listener may end its own subscription, or begin another.
    for (const { call } of Array.from(this.#listeners)) {
      try {
        call(value);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  dispose(): void {
    this.#listeners.clear();
  }
}

/** The host of the extension logs it, and a test run fails on it. */
function reportLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Owns subscriptions and frees them in the reverse order. */
export class Subscriptions implements Subscription {
  readonly #owned: Subscription[] = [];
  #disposed = false;

  /** Takes ownership; frees at once when this is disposed already. Returns the same object. */
  add<T extends Subscription>(subscription: T): T {
    if (this.#disposed) subscription.dispose();
    else this.#owned.push(subscription);
    return subscription;
  }

  dispose(): void {
    this.#disposed = true;
    for (let owned = this.#owned.pop(); owned !== undefined; owned = this.#owned.pop()) owned.dispose();
  }
}
