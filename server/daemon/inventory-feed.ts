/** Tells one client what changed of the inventory, gathered: a client that is slow, or a storm of changes, costs a few names. */
import type { InventoryChange } from '../protocol/daemon.ts';
import type { InventoryEvent } from './changes.ts';

/** Changes that come together are told together, ms. */
const gatherMs = 50;
/** Between two notifications, ms: four a second. */
const intervalMs = 250;

interface Pending {
  sequence: number;
  hosts: boolean;
  repositories: boolean;
  policies: boolean;
  readonly vmsOf: Set<string>;
  readonly restorePointsOf: Set<string>;
}

/** The subscription of one connection. */
export class InventoryFeed {
  /** Resolves when the client's socket has taken the notification. */
  readonly #send: (change: InventoryChange) => Promise<void>;
  #subscription: Disposable | undefined;
  #pending: Pending | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;
  #sending = false;

  constructor(send: (change: InventoryChange) => Promise<void>) {
    this.#send = send;
  }

  /** From now on changes are sent. `subscription` is what the daemon does for a subscriber; it ends with the feed. */
  subscribe(subscription: () => Disposable): void {
    this.#subscription ??= subscription();
  }

  /** Takes a change; `sequence` counts them. */
  push(event: InventoryEvent, sequence: number): void {
    if (this.#subscription === undefined) return;
    const pending = (this.#pending ??= {
      sequence,
      hosts: false,
      repositories: false,
      policies: false,
      vmsOf: new Set(),
      restorePointsOf: new Set(),
    });
    pending.sequence = sequence;
    if (event.kind === 'vms') pending.vmsOf.add(event.host);
    else if (event.kind === 'restorePoints') pending.restorePointsOf.add(event.repository);
    else pending[event.kind] = true;
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
    this.#pending = undefined;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#sending) return;
    const wait = Math.max(gatherMs, this.#lastSent + intervalMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, wait);
  }

  async #flush(): Promise<void> {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#lastSent = performance.now();
    this.#sending = true;
    try {
      await this.#send({
        ...pending,
        vmsOf: [...pending.vmsOf],
        restorePointsOf: [...pending.restorePointsOf],
      });
    } catch {
      // The connection is gone; its end is handled where it is owned.
      this.close();
    } finally {
      this.#sending = false;
    }
    if (this.#pending !== undefined) this.#schedule();
  }
}
