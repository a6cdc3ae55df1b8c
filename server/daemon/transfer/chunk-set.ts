/** Which chunks of a disk a run reads: one bit a chunk, so that memory stays small however many extents a host reports. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** A range of a disk in bytes, on the chunk grid; its end is clipped to the disk. */
export interface ChunkRange {
  readonly offset: number;
  readonly length: number;
}

/** A set of chunks of one disk. */
export class ChunkSet {
  readonly diskBytes: number;
  readonly chunkBytes: number;
  /** Chunks of the disk, the last one possibly shorter than `chunkBytes`. */
  readonly chunkCount: number;
  readonly #bits: Uint8Array;

  constructor(diskBytes: number, chunkBytes: number) {
    this.diskBytes = diskBytes;
    this.chunkBytes = chunkBytes;
    this.chunkCount = Math.ceil(diskBytes / chunkBytes);
    this.#bits = new Uint8Array(Math.ceil(this.chunkCount / 8));
  }

  /** Adds every chunk that the extent touches. Throws `TM2004` when the extent does not lie on the disk. */
  addExtent(offset: number, length: number): void {
    if (length === 0) return;
    if (offset + length > this.diskBytes) {
      throw new TidemarkError(
        errorCodes.agentProtocolViolation,
        `The agent reported an extent at byte ${offset} of ${length} bytes on a disk of ${this.diskBytes} bytes.`,
        { hint: 'Check that agent and daemon have the same version, then run the backup again.' },
      );
    }
    const first = Math.floor(offset / this.chunkBytes);
    const last = Math.floor((offset + length - 1) / this.chunkBytes);
    this.#setBits(first, last);
  }

  /** Adds the whole disk. */
  addAll(): void {
    if (this.chunkCount > 0) this.#setBits(0, this.chunkCount - 1);
  }

  has(chunk: number): boolean {
    return ((this.#bits[chunk >>> 3] ?? 0) & (1 << (chunk & 7))) !== 0;
  }

  /** Bytes of the disk that the chunks in this set cover. */
  bytes(): number {
    let total = 0;
    for (const range of this.ranges(Number.MAX_SAFE_INTEGER)) total += range.length;
    return total;
  }

  /** Runs of neighbouring chunks, ascending, none longer than `maxBytes` (at least one chunk). */
  *ranges(maxBytes: number): Generator<ChunkRange> {
    const maxChunks = Math.max(1, Math.floor(maxBytes / this.chunkBytes));
    let chunk = 0;
    while (chunk < this.chunkCount) {
      if ((chunk & 7) === 0 && this.#bits[chunk >>> 3] === 0) {
        chunk += 8;
        continue;
      }
      if (!this.has(chunk)) {
        chunk += 1;
        continue;
      }
      const start = chunk;
      while (chunk < this.chunkCount && chunk - start < maxChunks && this.has(chunk)) chunk += 1;
      const offset = start * this.chunkBytes;
      yield { offset, length: Math.min(chunk * this.chunkBytes, this.diskBytes) - offset };
    }
  }

  #setBits(first: number, last: number): void {
    let chunk = first;
    for (; chunk <= last && (chunk & 7) !== 0; chunk++) this.#setBit(chunk);
    const wholeBytesEnd = (last + 1) >>> 3;
    if (chunk >>> 3 < wholeBytesEnd) {
      this.#bits.fill(0xff, chunk >>> 3, wholeBytesEnd);
      chunk = wholeBytesEnd * 8;
    }
    for (; chunk <= last; chunk++) this.#setBit(chunk);
  }

  #setBit(chunk: number): void {
    this.#bits[chunk >>> 3] = (this.#bits[chunk >>> 3] ?? 0) | (1 << (chunk & 7));
  }
}
