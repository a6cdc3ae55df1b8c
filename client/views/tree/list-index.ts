/** Finds an element of a list by its key without walking the list each time. */

/** Indexes a list when it is first asked about; a list that is no longer used takes its index with it. */
export class ListIndex<T> {
  readonly #keyOf: (element: T) => string;
  readonly #indexes = new WeakMap<readonly T[], ReadonlyMap<string, T>>();

  constructor(keyOf: (element: T) => string) {
    this.#keyOf = keyOf;
  }

  find(list: readonly T[], key: string): T | undefined {
    let index = this.#indexes.get(list);
    if (index === undefined) {
      index = new Map(list.map((element) => [this.#keyOf(element), element]));
      this.#indexes.set(list, index);
    }
    return index.get(key);
  }
}
