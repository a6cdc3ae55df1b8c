/** Values that are read one by one, each when somebody wants it, under a key. */
import { TidemarkError } from '../../server/protocol/errors.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** Only `load` asks the daemon. */
export class CachedValues<T> {
  readonly #none: Cached<T>;
  readonly #most: number;
  readonly #changed: (key: string) => void;
  readonly #values = new Map<string, Cached<T>>();
  readonly #loads = new Loads<string>();
  /** Counts expiries: what was read across one may be old already. */
  #generation = 0;

  /** Keeps at most `most`; the one not read for longest goes first. */
  constructor({ none, most, changed }: { readonly none: T; readonly most: number; changed: (key: string) => void }) {
    this.#none = unread(none);
    this.#most = most;
    this.#changed = changed;
  }

  /** `unread` when nobody loaded it. */
  get(key: string): Cached<T> {
    return this.#values.get(key) ?? this.#none;
  }

  /** Reads a value unless it is fresh. A failure is in `get`, not thrown. */
  async load(key: string, read: () => Promise<T>, { force = false }: LoadOptions = {}): Promise<void> {
    const known = this.get(key);
    if (!force && known.state === 'ready' && !known.stale) return;
    const load = async (): Promise<void> => {
      const generation = this.#generation;
      this.#set(key, loading(this.get(key)));
      try {
        const fresh = ready(await read(), Date.now());
        this.#set(key, generation === this.#generation ? fresh : outdated(fresh));
      } catch (error) {
        this.#set(key, failed(this.get(key), TidemarkError.from(error)));
      }
    };
    await this.#loads.once(key, load, force);
  }

  /** Marks one value, or all, so that the next load reads it. Tells nobody: the caller does, once for all. */
  expire(key?: string): void {
    this.#generation++;
    for (const one of key === undefined ? [...this.#values.keys()] : [key]) {
      const known = this.#values.get(one);
      if (known !== undefined) this.#values.set(one, outdated(known));
    }
  }

  #set(key: string, value: Cached<T>): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) if (this.#values.size > this.#most) this.#values.delete(oldest);
    this.#changed(key);
  }
}
