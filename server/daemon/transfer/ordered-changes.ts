/** Puts the changed chunks of a disk back into order, so that its block map is written page by page while data still streams. */

/** Changed chunks, ascending: `chunks[n]` is the index in the disk of the chunk whose id is at `n × 32` of `ids`. */
export interface ChangedChunks {
  readonly chunks: Uint32Array;
  readonly ids: Uint8Array;
}

/**
 * Parts of a disk finish in any order; their changes come out in the order of the parts. Only parts that overtook
 * an earlier one wait here, which is at most what the workers have in hand.
 */
export class OrderedChanges implements AsyncIterable<ChangedChunks> {
  readonly #finished = new Map<number, readonly ChangedChunks[]>();
  #next = 0;
  #end: { readonly parts: number } | { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Part number `part` of this disk (from 0, in disk order) is complete. */
  partDone(part: number, changes: readonly ChangedChunks[]): void {
    this.#finished.set(part, changes);
    this.#wake?.();
  }

  /** No parts follow after `parts` of them. */
  close(parts: number): void {
    this.#end ??= { parts };
    this.#wake?.();
  }

  /** The transfer failed: whoever iterates gets `error`. */
  fail(error: unknown): void {
    this.#end = { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChangedChunks> {
    for (;;) {
      if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error;
      const changes = this.#finished.get(this.#next);
      if (changes !== undefined) {
        this.#finished.delete(this.#next);
        this.#next += 1;
        yield* changes;
      } else if (this.#end !== undefined && this.#next >= this.#end.parts) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
