/**
 * A sparse bitmap over a disk: one bit per granule, in pages that exist only where a bit is set, so that its memory
 * follows what changed and not how large the disk is.
 */
import type { Extent } from '../../provider.ts';

/** Bytes of bits in a page: a 4,096-byte file page less its header and checksum (docs/simulated-host.md). */
export const bitmapPageBytes = 4064;
const bitsPerPage = bitmapPageBytes * 8;

/** A set of granules of a disk. Offsets and lengths are bytes. */
export class PagedBitmap {
  readonly granularity: number;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(granularity: number) {
    this.granularity = granularity;
  }

  get pageCount(): number {
    return this.#pages.size;
  }

  /** The pages in no particular order: index and bits. */
  pages(): IterableIterator<[number, Uint8Array]> {
    return this.#pages.entries();
  }

  page(index: number): Uint8Array | undefined {
    return this.#pages.get(index);
  }

  /** Adds all bits of one page. */
  mergePage(index: number, bits: Uint8Array): void {
    const own = this.#pages.get(index);
    if (own === undefined) {
      // A copy also of a `Buffer`, whose own `slice` would share the memory that the next pages of a file are read into.
      this.#pages.set(index, new Uint8Array(bits));
      return;
    }
    for (let at = 0; at < bitmapPageBytes; at++) own[at] = (own[at] ?? 0) | (bits[at] ?? 0);
  }

  /** Sets every granule that the range touches; returns the indexes of pages that changed. */
  mark(offset: number, length: number): readonly number[] {
    if (length <= 0) return [];
    const first = Math.floor(offset / this.granularity);
    const last = Math.floor((offset + length - 1) / this.granularity);
    const changed: number[] = [];
    for (let bit = first; bit <= last;) {
      const index = Math.floor(bit / bitsPerPage);
      const end = Math.min(last, (index + 1) * bitsPerPage - 1);
      if (this.#markInPage(index, bit - index * bitsPerPage, end - index * bitsPerPage)) changed.push(index);
      bit = end + 1;
    }
    return changed;
  }

  #markInPage(index: number, first: number, last: number): boolean {
    let page = this.#pages.get(index);
    let changed = false;
    if (page === undefined) {
      page = new Uint8Array(bitmapPageBytes);
      this.#pages.set(index, page);
      changed = true;
    }
    for (let at = first >> 3; at <= last >> 3; at++) {
      let mask = 0xff;
      if (at === first >> 3) mask &= 0xff << (first & 7);
      if (at === last >> 3) mask &= 0xff >> (7 - (last & 7));
      const before = page[at] ?? 0;
      const after = before | (mask & 0xff);
      if (after === before) continue;
      page[at] = after;
      changed = true;
    }
    return changed;
  }

  /** Adds everything that `other` has set; granularities may differ. */
  add(other: PagedBitmap): void {
    if (other.granularity === this.granularity) {
      for (const [index, bits] of other.pages()) this.mergePage(index, bits);
      return;
    }
    for (const run of other.runs(0)) this.mark(run.offset, run.length);
  }

  /** The set ranges from byte `from` on, ascending, adjacent granules joined. The last one may reach past the disk's end. */
  *runs(from: number): Generator<Extent> {
    const startBit = Math.floor(from / this.granularity);
    let runStart = -1;
    let runEnd = -1;
    const indexes = [...this.#pages.keys()].filter((index) => (index + 1) * bitsPerPage > startBit);
    indexes.sort((a, b) => a - b);
    for (const index of indexes) {
      const base = index * bitsPerPage;
      for (const [first, end] of pageRuns(this.#pages.get(index), Math.max(0, startBit - base))) {
        if (base + first === runEnd) {
          runEnd = base + end;
          continue;
        }
        if (runStart >= 0) yield this.#extent(runStart, runEnd, from);
        runStart = base + first;
        runEnd = base + end;
      }
    }
    if (runStart >= 0) yield this.#extent(runStart, runEnd, from);
  }

  #extent(firstBit: number, endBit: number, from: number): Extent {
    const offset = Math.max(from, firstBit * this.granularity);
    return { offset, length: endBit * this.granularity - offset };
  }
}

/** Runs of set bits in one page as [first, end), from bit `from` on. */
function* pageRuns(page: Uint8Array | undefined, from: number): Generator<readonly [number, number]> {
  if (page === undefined) return;
  let runStart = -1;
  for (let bit = from; bit < bitsPerPage;) {
    const byte = page[bit >> 3] ?? 0;
    if ((bit & 7) === 0 && (byte === 0 || byte === 0xff)) {
      if (byte === 0xff && runStart < 0) runStart = bit;
      if (byte === 0 && runStart >= 0) {
        yield [runStart, bit];
        runStart = -1;
      }
      bit += 8;
      continue;
    }
    const set = ((byte >> (bit & 7)) & 1) === 1;
    if (set && runStart < 0) runStart = bit;
    if (!set && runStart >= 0) {
      yield [runStart, bit];
      runStart = -1;
    }
    bit += 1;
  }
  if (runStart >= 0) yield [runStart, bitsPerPage];
}
