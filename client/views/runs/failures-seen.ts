/** Remembers, over windows and sessions, up to when the user has seen which runs failed. */

/** Where it is kept; `vscode.Memento` is one. */
interface Memory {
  get<T>(key: string, fallback: T): T;
  update(key: string, value: unknown): PromiseLike<void>;
}

export class FailuresSeen {
  readonly #memory: Memory;
  readonly #key: string;

  constructor(memory: Memory, key: string) {
    this.#memory = memory;
    this.#key = key;
  }

  /** A time of the protocol; before all others when nothing was seen yet. */
  get upTo(): string {
    return this.#memory.get(this.#key, '');
  }

  /** Everything that ended until `time` is seen. Earlier times change nothing. */
  async mark(time: string): Promise<void> {
    if (time > this.upTo) await this.#memory.update(this.#key, time);
  }
}
