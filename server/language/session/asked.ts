/** An answer of the editor, kept until the editor says that there is another one. */

/**
 * Asks once per change, however often the change is told. Failures are given to `failed`, and the answer before stays; `changed` is called when
 * there is another one.
 */
export class Asked<T> {
  readonly #ask: () => Promise<T>;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  #answer: T;
  #asking: Promise<void> | undefined;
  /** Something changed since the question that is on its way. */
  #stale = false;

  constructor(
    initial: T,
    calls: {
      readonly ask: () => Promise<T>;
      readonly changed: () => void;
      readonly failed: (error: unknown) => void;
    },
  ) {
    this.#answer = initial;
    this.#ask = calls.ask;
    this.#changed = calls.changed;
    this.#failed = calls.failed;
  }

  get answer(): T {
    return this.#answer;
  }

  /** Asks again; while a question is on its way, once more when it is answered. Never rejects. */
  async refresh(): Promise<void> {
    this.#stale = true;
    this.#asking ??= this.#run().finally(() => (this.#asking = undefined));
    await this.#asking;
  }

  async #run(): Promise<void> {
    while (this.#stale) {
      this.#stale = false;
      try {
        const answer = await this.#ask();
        if (answer === this.#answer) continue;
        this.#answer = answer;
        this.#changed();
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
