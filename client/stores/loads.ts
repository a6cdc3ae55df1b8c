/** One read at a time for each key: whoever asks meanwhile waits for the same one. */
export class Loads<K> {
  readonly #running = new Map<K, Promise<void>>();

  /** Runs `load` unless one for `key` runs already; resolves when that one has ended. `load` does not throw. */
  async once(key: K, load: () => Promise<void>): Promise<void> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = load().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
