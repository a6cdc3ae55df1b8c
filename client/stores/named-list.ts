/** A list that the daemon has, kept as long as its items have names: what the stores of hosts, repositories and policies have in common. */
import { TidemarkError } from '../../server/protocol/errors.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** Names of what changed; `all` when items came, went, or the state of the list changed. */
export type ListChange = readonly string[] | 'all';

/** Sorted by name. Only `load` asks the daemon. */
export class NamedList<T extends { readonly name: string }> {
  readonly #read: (signal: AbortSignal | undefined) => Promise<readonly T[]>;
  readonly #changed: (change: ListChange) => void;
  readonly #loads = new Loads<'list'>();
  #list: Cached<readonly T[]> = unread([]);

  constructor(read: (signal: AbortSignal | undefined) => Promise<readonly T[]>, changed: (change: ListChange) => void) {
    this.#read = read;
    this.#changed = changed;
  }

  get cached(): Cached<readonly T[]> {
    return this.#list;
  }

  find(name: string): T | undefined {
    return this.#list.value.find((item) => item.name === name);
  }

  /** Reads the list unless it is fresh. A failure is in `cached`, not thrown. */
  async load({ force = false, signal }: LoadOptions = {}): Promise<void> {
    if (!force && this.#list.state === 'ready' && !this.#list.stale) return;
    const load = async (): Promise<void> => {
      // A list that can be shown stays as it is until the new one is there.
      if (this.#list.state !== 'ready') this.#set(loading(this.#list));
      try {
        this.#set(ready(sorted(await this.#read(signal)), Date.now()));
      } catch (error) {
        this.#set(failed(this.#list, TidemarkError.from(error)));
      }
    };
    await this.#loads.once('list', load, force);
  }

  /** Takes in the whole list, as the daemon told it unasked. */
  replace(items: readonly T[]): void {
    this.#set(ready(sorted(items), Date.now()));
  }

  /** Takes in what a command just learned about one item. */
  apply(item: T): void {
    const known = this.find(item.name) !== undefined;
    const others = this.#list.value.filter(({ name }) => name !== item.name);
    this.#set({ ...this.#list, value: sorted([...others, item]) }, known ? [item.name] : 'all');
  }

  /** Takes out an item that was removed. */
  forget(name: string): void {
    if (this.find(name) === undefined) return;
    this.#set({ ...this.#list, value: this.#list.value.filter((item) => item.name !== name) });
  }

  /** The daemon is away. */
  outdate(): void {
    this.#set(outdated(this.#list));
  }

  #set(list: Cached<readonly T[]>, change: ListChange = 'all'): void {
    this.#list = list;
    this.#changed(change);
  }
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

function sorted<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  return items.toSorted((a, b) => byName.compare(a.name, b.name));
}
