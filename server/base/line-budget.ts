/** Keeps strangers from filling a log: so many lines in a period, then only their number. */

/** Lines that may be written. */
export class LineBudget {
  readonly #limit: number;
  readonly #periodMs: number;
  readonly #now: () => number;
  #began = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;

  /** At most `limit` lines in `periodMs` milliseconds of `now`. */
  constructor(limit: number, periodMs: number, now: () => number) {
    this.#limit = limit;
    this.#periodMs = periodMs;
    this.#now = now;
  }

  /** Calls `write` with the number of lines left out since the last one, unless this one is left out too. */
  spend(write: (leftOut: number) => void): void {
    const now = this.#now();
    if (now - this.#began >= this.#periodMs) {
      this.#began = now;
      this.#written = 0;
    }
    if (this.#written >= this.#limit) {
      this.#leftOut += 1;
      return;
    }
    this.#written += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    write(leftOut);
  }
}
