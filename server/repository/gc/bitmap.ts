/** One bit for each blob of an index: what is live, what is damaged, what was seen. A million blobs take 128 KiB. */

/** A fixed-size set of small whole numbers. */
export class Bitmap {
  readonly size: number;
  readonly #bits: Uint8Array;
  #count = 0;

  /** A set of numbers from 0 to `size` - 1, empty. */
  constructor(size: number) {
    this.size = size;
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  /** How many numbers are in the set. */
  get count(): number {
    return this.#count;
  }

  has(position: number): boolean {
    return ((this.#bits[position >>> 3] ?? 0) & (1 << (position & 7))) !== 0;
  }

  /** Adds `position`; whether it was not in the set before. */
  add(position: number): boolean {
    const byte = position >>> 3;
    const bit = 1 << (position & 7);
    const before = this.#bits[byte] ?? 0;
    if ((before & bit) !== 0 || position >= this.size) return false;
    this.#bits[byte] = before | bit;
    this.#count += 1;
    return true;
  }
}
