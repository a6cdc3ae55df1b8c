/** Memory for received payloads, reused when the caller gives it back. */
import { releaseMemory } from '../../base/memory.ts';
import { frameHeaderBytes } from '../../protocol/data.ts';

/** Memory kept for reuse, bytes: what a queue and a batch of chunks need together. */
const keptBytes = 8 * 1024 * 1024;

/** A pool of equal buffers, sized for the chunks being read. */
export class BufferPool {
  #slabBytes = 0;
  #free: Buffer[] = [];

  /** Prepares for chunks of up to `chunkBytes`. */
  sizeFor(chunkBytes: number): void {
    const wanted = chunkBytes + frameHeaderBytes;
    if (wanted === this.#slabBytes) return;
    this.#slabBytes = wanted;
    this.#free = [];
  }

  /** Memory for `bytes` and a header behind them. What is much smaller than a chunk gets memory of its own, so that a queue of small payloads stays small. */
  take(bytes: number): Buffer {
    const needed = bytes + frameHeaderBytes;
    if (needed > this.#slabBytes || bytes * 2 < this.#slabBytes) return Buffer.allocUnsafeSlow(needed);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#slabBytes);
  }

  /** Takes back what `payload` lies in. Call once per `take`. */
  give(payload: Buffer): void {
    const fits = payload.buffer.byteLength === this.#slabBytes;
    if (fits && this.#free.length * this.#slabBytes < keptBytes) this.#free.push(Buffer.from(payload.buffer));
    else releaseMemory(payload);
  }
}
