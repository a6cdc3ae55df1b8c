/** When documents are checked: shortly after the last keystroke, one after another, so that requests come in between. */

/** Timers, so that tests need not wait. */
export interface Timers {
  /** Calls back after `ms`; the result stops it. */
  readonly after: (ms: number, callback: () => void) => Disposable;
}

/** Node's timers. */
export const nodeTimers: Timers = {
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

export class Checks implements Disposable {
  readonly #check: (uri: string) => void;
  readonly #timers: Timers;
  readonly #waiting = new Map<string, Disposable>();

  constructor(check: (uri: string) => void, timers: Timers) {
    this.#check = check;
    this.#timers = timers;
  }

  /** Checks a document in `ms`, and not before: a check that waits is put off. */
  schedule(uri: string, ms: number): void {
    this.cancel(uri);
    const timer = this.#timers.after(ms, () => {
      this.#waiting.delete(uri);
      this.#check(uri);
    });
    this.#waiting.set(uri, timer);
  }

  cancel(uri: string): void {
    this.#waiting.get(uri)?.[Symbol.dispose]();
    this.#waiting.delete(uri);
  }

  [Symbol.dispose](): void {
    for (const uri of this.#waiting.keys()) this.cancel(uri);
  }
}
