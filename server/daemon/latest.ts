/** A value that lies elsewhere and is read again and again: kept, with its age, and read once for all who ask at the same time. */

/** The last answer of one source. Reads run to their end whoever waits for them; what a reader needs to give up it brings along. */
export class Latest<T> {
  readonly #read: () => Promise<T>;
  #kept: { readonly value: T; readonly order: number; readonly startedAt: number } | undefined;
  #running: { readonly order: number; readonly promise: Promise<T> } | undefined;
  #order = 0;
  /** Reads that began before this are not to be relied on. */
  #validFrom = 0;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  /** What was read last, however old; undefined before the first read succeeded. */
  get value(): T | undefined {
    return this.#kept?.value;
  }

  /** Whether what is kept was asked for within the last `maxAgeMs` and after the last `invalidate`. */
  isWithin(maxAgeMs: number): boolean {
    const kept = this.#kept;
    if (kept === undefined || kept.order < this.#validFrom) return false;
    return performance.now() - kept.startedAt <= maxAgeMs;
  }

  /** Something changed there: what was asked for before does not count any more. */
  invalidate(): void {
    this.#validFrom = this.#order + 1;
  }

  /** The value, at most `maxAgeMs` old: the kept one, or that of a read that runs already or begins now. */
  async within(maxAgeMs: number): Promise<T> {
    const kept = this.#kept;
    if (kept !== undefined && this.isWithin(maxAgeMs)) return kept.value;
    const running = this.#running;
    return running !== undefined && running.order >= this.#validFrom ? running.promise : this.fresh();
  }

  /** The value of a read that begins now. */
  async fresh(): Promise<T> {
    this.#order += 1;
    const order = this.#order;
    const promise = this.#readOnce(order);
    this.#running = { order, promise };
    return promise;
  }

  async #readOnce(order: number): Promise<T> {
    const startedAt = performance.now();
    try {
      const value = await this.#read();
      if (order > (this.#kept?.order ?? 0)) this.#kept = { value, order, startedAt };
      return value;
    } finally {
      if (this.#running?.order === order) this.#running = undefined;
    }
  }
}
