/** The block allocation table and the sector bitmaps of an open VHDX. */
import { blockState, decodeBatEntry, encodeBatEntry } from './bat.ts';
import type { BatEntry } from './bat.ts';
import { batEntryBytes, bitmapIndex, payloadIndex } from './geometry.ts';
import type { Geometry } from './geometry.ts';
import { logSectorBytes } from './log-entry.ts';
import type { SectorCache } from './sector-cache.ts';

/** State of a sector bitmap block that is there (MS-VHDX 2.5.1.2). */
const bitmapPresent = blockState.fullyPresent;

/** Reads and, for writers, changes entries and bits. */
export class BlockTable {
  readonly geometry: Geometry;
  readonly #path: string;
  readonly #start: number;
  readonly #sectors: SectorCache;

  constructor(path: string, batOffset: number, geometry: Geometry, sectors: SectorCache) {
    this.#path = path;
    this.#start = batOffset;
    this.geometry = geometry;
    this.#sectors = sectors;
  }

  /** The entry of a payload block. */
  async block(block: number): Promise<BatEntry> {
    return this.#entry(payloadIndex(this.geometry, block));
  }

  /** Counts blocks from `block` on, up to `limit`, that have never been written: at least the first, when it is one, and those beside it in the table. */
  async emptyBlocks(block: number, limit: number): Promise<number> {
    const { chunkRatio, dataBlocks } = this.geometry;
    const at = this.#start + payloadIndex(this.geometry, block) * batEntryBytes;
    const inSector = at % logSectorBytes;
    const sector = await this.#sectors.get(at - inSector);
    // Behind the last block of a chunk comes the entry of its bitmap.
    const beside = (logSectorBytes - inSector) / batEntryBytes;
    const end = Math.min(limit, beside, chunkRatio - (block % chunkRatio), dataBlocks - block);
    let count = 0;
    while (count < end && (sector.readUInt32LE(inSector + count * batEntryBytes) & 7) === blockState.notPresent)
      count += 1;
    return count;
  }

  /** Changes the entry of a payload block. */
  async setBlock(block: number, entry: BatEntry): Promise<void> {
    await this.#setEntry(payloadIndex(this.geometry, block), entry);
  }

  /** Where in the file the sector bitmap of a block's chunk lies; undefined when it has none. */
  async chunkBitmap(block: number): Promise<number | undefined> {
    const entry = await this.#entry(this.#bitmapIndex(block));
    return entry.state === bitmapPresent ? entry.offset : undefined;
  }

  /** Records the sector bitmap of a block's chunk. */
  async setChunkBitmap(block: number, offset: number): Promise<void> {
    await this.#setEntry(this.#bitmapIndex(block), { state: bitmapPresent, offset });
  }

  #bitmapIndex(block: number): number {
    return bitmapIndex(this.geometry, Math.floor(block / this.geometry.chunkRatio));
  }

  /** Counts the sectors of a block from `sector` on that are all present in this file, or all not, up to `limit`. */
  async sectorRun(block: number, sector: number, limit: number): Promise<{ present: boolean; sectors: number }> {
    const bitmap = (await this.chunkBitmap(block)) ?? 0;
    const first = this.#firstBit(block) + sector;
    let present: boolean | undefined;
    let sectors = 0;
    while (sectors < limit) {
      const bit = first + sectors;
      const byte = Math.floor(bit / 8);
      const page = await this.#sectors.get(bitmap + byte - (byte % logSectorBytes));
      const value = page[byte % logSectorBytes] ?? 0;
      const whole = bit % 8 === 0 && limit - sectors >= 8 && (value === 0 || value === 0xff);
      const isSet = (value & (1 << (bit % 8))) !== 0;
      present ??= isSet;
      if (isSet !== present) break;
      sectors += whole ? 8 : 1;
    }
    return { present: present ?? false, sectors };
  }

  /** Sets the bits of `count` sectors of a block from `sector` on. The chunk must have a bitmap. */
  async setSectors(block: number, sector: number, count: number, present: boolean): Promise<void> {
    const bitmap = (await this.chunkBitmap(block)) ?? 0;
    const first = this.#firstBit(block) + sector;
    for (let bit = first; bit < first + count;) {
      const byte = Math.floor(bit / 8);
      const page = await this.#sectors.change(bitmap + byte - (byte % logSectorBytes));
      const at = byte % logSectorBytes;
      if (bit % 8 === 0 && first + count - bit >= 8) {
        page[at] = present ? 0xff : 0;
        bit += 8;
      } else {
        const mask = 1 << (bit % 8);
        page[at] = present ? (page[at] ?? 0) | mask : (page[at] ?? 0) & ~mask;
        bit += 1;
      }
    }
  }

  /** Position of a block's first sector in the bitmap of its chunk. */
  #firstBit(block: number): number {
    const { chunkRatio, blockBytes, sectorBytes } = this.geometry;
    return (block % chunkRatio) * (blockBytes / sectorBytes);
  }

  async #entry(index: number): Promise<BatEntry> {
    const at = this.#start + index * batEntryBytes;
    const sector = await this.#sectors.get(at - (at % logSectorBytes));
    return decodeBatEntry(this.#path, sector, at % logSectorBytes);
  }

  async #setEntry(index: number, entry: BatEntry): Promise<void> {
    const at = this.#start + index * batEntryBytes;
    const sector = await this.#sectors.change(at - (at % logSectorBytes));
    encodeBatEntry(sector, at % logSectorBytes, entry);
  }
}
