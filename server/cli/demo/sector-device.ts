/** Disks as the demo's guest sees them: rows of sectors. */
import { readSync } from 'node:fs';

/** Bytes of a sector. */
export const sectorBytes = 512;

/** A disk that a file system lies on. Offsets and lengths are bytes, whole sectors. */
export interface SectorDevice {
  readonly sizeBytes: number;
  /** Fills `target` from byte `offset` of the disk on. */
  read(target: Uint8Array, offset: number): void;
  /** Throws on a disk that cannot be written. */
  write(bytes: Uint8Array, offset: number): void;
}

/** One stretch that was written since it was last asked for. */
export interface DirtyRange {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const pageBytes = 64 * 1024;
const maxRangeBytes = 4 * 1024 * 1024;

/** A disk in memory, empty or laid over another one, that remembers which of its sectors were written. Pages that nobody wrote take no memory. */
export class MemoryDevice implements SectorDevice {
  readonly sizeBytes: number;
  readonly #below: SectorDevice | undefined;
  readonly #pages = new Map<number, Uint8Array>();
  #dirty = new Set<number>();

  constructor(sizeBytes: number, below?: SectorDevice) {
    this.sizeBytes = sizeBytes;
    this.#below = below;
  }

  read(target: Uint8Array, offset: number): void {
    this.#eachPage(offset, target.length, (page, start, at, length) => {
      const source = this.#pages.get(page);
      if (source === undefined) this.#readBelow(target.subarray(at, at + length), page * pageBytes + start);
      else target.set(source.subarray(start, start + length), at);
    });
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#eachPage(offset, bytes.length, (page, start, at, length) => {
      let target = this.#pages.get(page);
      if (target === undefined) {
        target = new Uint8Array(Math.min(pageBytes, this.sizeBytes - page * pageBytes));
        this.#readBelow(target, page * pageBytes);
        this.#pages.set(page, target);
      }
      target.set(bytes.subarray(at, at + length), start);
    });
    const end = (offset + bytes.length) / sectorBytes;
    for (let sector = offset / sectorBytes; sector < end; sector++) this.#dirty.add(sector);
  }

  /** What was written since the last call, in order of place, neighbours together, at most 4 MiB each. */
  *takeDirty(): Generator<DirtyRange> {
    const sectors = [...this.#dirty].toSorted((a, b) => a - b);
    this.#dirty = new Set();
    for (let index = 0; index < sectors.length;) {
      const first = sectors[index] ?? 0;
      let count = 1;
      while (sectors[index + count] === first + count && (count + 1) * sectorBytes <= maxRangeBytes) count++;
      const bytes = new Uint8Array(count * sectorBytes);
      this.read(bytes, first * sectorBytes);
      yield { offset: first * sectorBytes, bytes };
      index += count;
    }
  }

  #readBelow(target: Uint8Array, offset: number): void {
    if (this.#below === undefined) target.fill(0);
    else this.#below.read(target, offset);
  }

  #eachPage(
    offset: number,
    length: number,
    visit: (page: number, start: number, at: number, length: number) => void,
  ): void {
    for (let at = 0; at < length;) {
      const start = (offset + at) % pageBytes;
      const part = Math.min(pageBytes - start, length - at);
      visit(Math.floor((offset + at) / pageBytes), start, at, part);
      at += part;
    }
  }
}

/** A raw disk file, for reading only. */
export class FileDevice implements SectorDevice {
  readonly sizeBytes: number;
  readonly #descriptor: number;

  /** `descriptor` is an open file of `sizeBytes`; whoever opened it closes it. */
  constructor(descriptor: number, sizeBytes: number) {
    this.#descriptor = descriptor;
    this.sizeBytes = sizeBytes;
  }

  read(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length;) {
      const count = readSync(this.#descriptor, target, done, target.length - done, offset + done);
      if (count === 0) throw new RangeError(`The file ends before byte ${offset + target.length}.`);
      done += count;
    }
  }

  write(): void {
    throw new Error('This disk is open for reading only.');
  }
}
