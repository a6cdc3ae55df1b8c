/** How often a server that ends may be started again. */

/** A server that ends by itself is started again, but not for ever: the same file may end it each time. */
export class RestartBudget {
  readonly #most: number;
  readonly #withinMs: number;
  readonly #now: () => number;
  #ends: number[] = [];

  /** At most `most` times within `withinMs`. */
  constructor(most: number, withinMs: number, now: () => number = Date.now) {
    this.#most = most;
    this.#withinMs = withinMs;
    this.#now = now;
  }

  /** The server has ended: whether to start it again. */
  spend(): boolean {
    const now = this.#now();
    this.#ends = [...this.#ends.filter((at) => now - at < this.#withinMs), now];
    return this.#ends.length <= this.#most;
  }

  /** The user starts it: all counts anew. */
  renew(): void {
    this.#ends = [];
  }
}
