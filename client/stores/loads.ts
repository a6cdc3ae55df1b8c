/** One read at a time for each key: whoever asks meanwhile waits for the same one, or for one that begins after it. */
export class Loads<K> {
  readonly #running = new Map<K, Promise<void>>();

  /**
   * Runs `load` unless one for `key` runs already; resolves when that one has ended. With `anew` one that began earlier does not
   * count, because it may not have seen what has changed since; nor does it matter that it failed. Throws what `load` throws.
   */
  async once(key: K, load: () => Promise<void>, anew = false): Promise<void> {
    const running = this.#running.get(key);
    if (running !== undefined) {
      if (!anew) return running;
      await running.catch(() => undefined);
      // Of all that waited the first one begins anew, and the others share that.
      return this.once(key, load);
    }
    // Known as running before it begins: its first event may make a listener ask again.
    const started = Promise.resolve()
      .then(load)
      .finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
