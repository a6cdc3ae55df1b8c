/** The table and bitmap sectors in use, with bounded memory; a writer's changes stay here until they are logged. */
import { logSectorBytes } from './log-entry.ts';
import type { LoggedSector } from './log-entry.ts';
import type { RandomFile } from './random-file.ts';

/** Sectors kept: 8 MiB, the table of a disk of 2 TiB. */
const capacity = 2048;

/** A cache of sectors of a file, by their byte offset. */
export class SectorCache {
  readonly #file: RandomFile;
  /** The oldest first. */
  readonly #clean = new Map<number, Buffer>();
  readonly #dirty = new Map<number, Buffer>();
  /** Counts the times that changes went to the file. */
  #settled = 0;

  constructor(file: RandomFile) {
    this.#file = file;
  }

  /** The sector at a multiple of 4 KiB. Not to be changed: it may be shared. */
  async get(offset: number): Promise<Buffer> {
    for (;;) {
      const known = this.#dirty.get(offset) ?? this.#clean.get(offset);
      if (known !== undefined) return known;
      const sector = Buffer.alloc(logSectorBytes);
      const settled = this.#settled;
      await this.#file.read(sector, offset);
      // A change of the sector may have begun, or even reached the file, while its old content was read.
      if (settled !== this.#settled || this.#dirty.has(offset)) continue;
      this.#keep(offset, sector);
      return sector;
    }
  }

  #keep(offset: number, sector: Buffer): void {
    if (this.#clean.size >= capacity) {
      const oldest = this.#clean.keys().next();
      if (oldest.done !== true) this.#clean.delete(oldest.value);
    }
    this.#clean.set(offset, sector);
  }

  /** The sector, to be changed: it counts as dirty from now on. */
  async change(offset: number): Promise<Buffer> {
    const sector = await this.get(offset);
    this.#clean.delete(offset);
    this.#dirty.set(offset, sector);
    return sector;
  }

  /** Sectors changed and not yet logged, in the order of the file. */
  dirty(): readonly LoggedSector[] {
    return [...this.#dirty].map(([offset, data]) => ({ offset, data })).toSorted((a, b) => a.offset - b.offset);
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** All changes are in the file now. */
  settle(): void {
    for (const [offset, sector] of this.#dirty) this.#keep(offset, sector);
    this.#dirty.clear();
    this.#settled += 1;
  }
}
