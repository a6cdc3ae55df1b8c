/** The memory of a data connection: a fixed number of pieces. Waiting for one is what makes a slow receiver slow down the disk. */
import { throwIfAborted } from '../protocol/errors.ts';

/** Bytes read ahead and queued per connection, about. */
const budgetBytes = 4 * 1024 * 1024;

/** Equal buffers that are taken, and given back when the socket is done with them. */
export class PiecePool {
  readonly pieceBytes: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #unmade: number;

  constructor(pieceBytes: number) {
    this.pieceBytes = pieceBytes;
    this.#unmade = Math.max(2, Math.floor(budgetBytes / pieceBytes));
  }

  /** Waits for a buffer. Throws the reason when `signal` aborts first. */
  async take(signal: AbortSignal): Promise<Buffer> {
    throwIfAborted(signal);
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#unmade > 0) {
      this.#unmade -= 1;
      return Buffer.allocUnsafeSlow(this.pieceBytes);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const onAbort = (): void => {
      const index = this.#waiting.indexOf(resolve);
      if (index >= 0) this.#waiting.splice(index, 1);
      reject(signal.reason);
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Gives a buffer back; nobody may read or write it afterwards. Call once per `take`. */
  give(buffer: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(buffer);
    else waiting(buffer);
  }
}
