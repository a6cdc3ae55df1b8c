/** One bit for each blob of an index: what is live, what is damaged, what was seen. A million blobs take 128 KiB. */

/** A set of small whole numbers. */
export class Bitmap {
  #bits: Uint8Array;
  #count = 0;

  /** An empty set with room for the numbers below `size`; it grows when a larger one comes. */
  constructor(size: number) {
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
    if (this.has(position)) return false;
    const byte = position >>> 3;
    if (byte >= this.#bits.length) this.#grow(byte + 1);
    this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (position & 7));
    this.#count += 1;
    return true;
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(bytes, this.#bits.length * 2));
    larger.set(this.#bits);
    this.#bits = larger;
  }
}
