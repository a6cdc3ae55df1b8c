/** A limit on what runs at a time that several share: those who wait take turns, however much each of them waits for. */
import { cancelledError, throwIfAborted, TidemarkError } from '../protocol/errors.ts';

/** At most `limit` tasks at a time. */
export class FairLimit {
  #free: number;
  /** Who waits, in the order of their turns. */
  readonly #waiting = new Map<object, (() => void)[]>();

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Runs `task` for `who` when it is their turn. Throws what the task throws, and the cancellation when `signal` aborts before it began. */
  async run<T>(who: object, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(who, signal);
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  async #turn(who: object, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queue = this.#waiting.get(who) ?? [];
    const enter = (): void => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      queue.splice(queue.indexOf(enter), 1);
      if (queue.length === 0) this.#waiting.delete(who);
      reject(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
    };
    queue.push(enter);
    this.#waiting.set(who, queue);
    signal.addEventListener('abort', leave, { once: true });
    await promise;
  }

  #next(): void {
    for (const [who, queue] of this.#waiting) {
      this.#waiting.delete(who);
      const enter = queue.shift();
      // Whoever still waits goes to the end of the line.
      if (queue.length > 0) this.#waiting.set(who, queue);
      if (enter === undefined) continue;
      enter();
      return;
    }
    this.#free += 1;
  }
}
