/** How many VMs of a policy are backed up at a time. */
import { cancelledError, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';

interface Waiter {
  readonly host: string;
  readonly enter: () => void;
}

/** Lets in so many in all and so many for each host; who waits for a full host holds up nobody else. */
export class Lanes {
  readonly #total: number;
  readonly #perHost: number;
  #inside = 0;
  readonly #onHost = new Map<string, number>();
  readonly #waiting: Waiter[] = [];

  constructor(total: number, perHost: number) {
    this.#total = total;
    this.#perHost = perHost;
  }

  /** Waits for a place; disposing the result gives it back. Throws the signal's reason. */
  async enter(host: string, signal: AbortSignal): Promise<Disposable> {
    throwIfAborted(signal);
    if (!this.#hasPlace(host)) await this.#wait(host, signal);
    else this.#add(host, 1);
    let inside = true;
    return {
      [Symbol.dispose]: () => {
        if (inside) this.#leave(host);
        inside = false;
      },
    };
  }

  async #wait(host: string, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
      };
      const waiter: Waiter = {
        host,
        enter: () => {
          signal.removeEventListener('abort', onAbort);
          this.#add(host, 1);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #leave(host: string): void {
    this.#add(host, -1);
    const next = this.#waiting.findIndex((waiter) => this.#hasPlace(waiter.host));
    if (next >= 0) this.#waiting.splice(next, 1)[0]?.enter();
  }

  #hasPlace(host: string): boolean {
    return this.#inside < this.#total && (this.#onHost.get(host) ?? 0) < this.#perHost;
  }

  #add(host: string, change: 1 | -1): void {
    this.#inside += change;
    this.#onHost.set(host, (this.#onHost.get(host) ?? 0) + change);
  }
}
