/** Decides whether a view has something read: what was never read or is out of date, and a failure only once for each reason to try again. */
import type { Cached } from '../../stores/cached.ts';

/** Keeps a view that is refreshed when a read fails from reading again, and again. */
export class LoadAttempts {
  /** In which epoch and when a key was read last. */
  readonly #tried = new Map<string, { readonly epoch: number; readonly at: number }>();
  #epoch = 0;

  /** There is a reason to try again what failed: a new connection, or the user asked. Without `key` for everything. */
  renew(key?: string): void {
    if (key === undefined) this.#epoch++;
    else this.#tried.delete(key);
  }

  /** Whether to read now. `fresh` says for how long a value needs no reading, ms. */
  wanted(key: string, cached: Cached<unknown>, now: number, freshMs = Infinity): boolean {
    const wanted = this.#needsReading(key, cached, now, freshMs);
    if (wanted) this.#tried.set(key, { epoch: this.#epoch, at: now });
    return wanted;
  }

  #needsReading(key: string, cached: Cached<unknown>, now: number, freshMs: number): boolean {
    switch (cached.state) {
      case 'unread':
        return true;
      case 'loading':
        return false;
      case 'ready':
        // The value's time is the daemon's: when the clocks differ, the own attempt still counts.
        return cached.stale || now - Math.max(cached.readAt ?? now, this.#tried.get(key)?.at ?? 0) >= freshMs;
      case 'failed':
        break;
    }
    return this.#tried.get(key)?.epoch !== this.#epoch;
  }
}
