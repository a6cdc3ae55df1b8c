/** Long lists are shown a page at a time: VS Code draws what it is given, and nobody reads ten thousand lines. */

/** Children shown at first, and added by each "Load more". */
export const pageSize = 100;

/** How many children each list shows, by the id of its node. */
export class PageLimits {
  readonly #limits = new Map<string, number>();

  limit(list: string): number {
    return this.#limits.get(list) ?? pageSize;
  }

  /** Shows one more page of a list. */
  grow(list: string): void {
    this.#limits.set(list, this.limit(list) + pageSize);
  }

  /** Shows the first page of every list again: it has other content now. */
  reset(): void {
    this.#limits.clear();
  }
}
