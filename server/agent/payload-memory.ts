/** Memory for what a daemon writes: used again frame after frame, because fresh memory for each costs more than writing it. */

/** Buffers kept for the next frames, at most: those of one read of the socket. */
const maxKept = 4;

/** Memory of one data connection. */
export class PayloadMemory {
  readonly #free: Buffer[] = [];

  /** At least `bytes` of memory. */
  take(bytes: number): Buffer {
    const free = this.#free.pop();
    return free !== undefined && free.length >= bytes ? free : Buffer.allocUnsafeSlow(bytes);
  }

  /** Takes back what `take` gave, whole or in part; nobody may use it afterwards. */
  give(payload: Buffer): void {
    if (this.#free.length < maxKept) this.#free.push(Buffer.from(payload.buffer));
  }
}
