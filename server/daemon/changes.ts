/** What of the inventory changed, told to whoever listens. */

/** One change. It names things; what they are now is asked for. */
export type InventoryEvent =
  | { readonly kind: 'hosts' | 'repositories' | 'policies' }
  | { readonly kind: 'vms'; readonly host: string }
  | { readonly kind: 'restorePoints'; readonly repository: string };

/** Counts changes and passes them on. */
export class InventoryChanges {
  readonly #listeners = new Set<(event: InventoryEvent) => void>();
  #sequence = 0;

  /** How many changes there were since the daemon started. */
  get sequence(): number {
    return this.#sequence;
  }

  emit(event: InventoryEvent): void {
    this.#sequence += 1;
    for (const listener of this.#listeners) listener(event);
  }

  /** Calls `listener` with each change until disposed. */
  onChange(listener: (event: InventoryEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
