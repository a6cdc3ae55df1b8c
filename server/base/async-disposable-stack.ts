/**
 * `AsyncDisposableStack` for Node 22, which has the symbols of explicit resource management but not its classes (ECMA-262
 * proposal "Explicit Resource Management", section 12.4). The build puts it in front of every bundle; Node 24 keeps its own.
 */

type Undo = () => unknown;

/** The part of the proposal's class that Tidemark uses: `defer`, `move`, `disposeAsync`. */
export class AsyncDisposableStackForNode22 implements AsyncDisposable {
  #undo: Undo[] = [];
  #disposed = false;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Has `undo` called when the stack is disposed, before everything deferred earlier. */
  defer(undo: Undo): void {
    this.#assertOpen();
    this.#undo.push(undo);
  }

  /** A new stack with everything of this one, which is disposed without calling anything. */
  move(): AsyncDisposableStackForNode22 {
    this.#assertOpen();
    const moved = new AsyncDisposableStackForNode22();
    moved.#undo = this.#undo;
    this.#undo = [];
    this.#disposed = true;
    return moved;
  }

  /** Calls everything, the last deferred first. Throws the last error, with the one before it as `suppressed`. */
  async disposeAsync(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    let failure: { readonly error: unknown } | undefined;
    for (const undo of this.#undo.toReversed()) {
      try {
        await undo();
      } catch (error) {
        failure = { error: failure === undefined ? error : suppressed(error, failure.error) };
      }
    }
    this.#undo = [];
    if (failure !== undefined) throw failure.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disposeAsync();
  }

  #assertOpen(): void {
    if (this.#disposed) throw new ReferenceError('The stack is disposed already.');
  }
}

function suppressed(error: unknown, earlier: unknown): Error {
  return Object.assign(new Error('An error was suppressed during disposal.'), { error, suppressed: earlier });
}

if (!('AsyncDisposableStack' in globalThis)) {
  Object.assign(globalThis, { AsyncDisposableStack: AsyncDisposableStackForNode22 });
}
