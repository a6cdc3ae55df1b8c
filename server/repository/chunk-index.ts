/**
 * The index of all blobs in memory: which pack holds which blob. Typed arrays and open addressing, about 56 bytes an entry,
 * where a map of objects would take more than three times that and be ten times slower.
 */
import { blobHeaderBytes, idBytes } from './blob.ts';
import type { BlobType, Compression } from './blob.ts';
import { parseBlobType, parseCompression } from './blob.ts';
import type { BlobLocation } from './api.ts';
import { packName, tocEntryBytes } from './pack-toc.ts';
import type { PackKind, TocEntry } from './pack-toc.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** A pack in the index. Its blobs are the entries `first` to `first + count - 1`, by offset. */
export interface IndexedPack {
  readonly packId: string;
  readonly kind: PackKind;
  /** Name in the backend. */
  readonly name: string;
  readonly fileBytes: number;
  readonly first: number;
  readonly count: number;
}

/** A blob in the index. */
export interface IndexEntry extends TocEntry {
  readonly ordinal: number;
  readonly pack: IndexedPack;
  /** Whether a damage record names this copy. */
  readonly damaged: boolean;
}

/** Entries of one block of memory: growing by blocks needs no copies. */
const blockEntries = 1 << 14;
const blockBytes = blockEntries * (idBytes + 4 * Uint32Array.BYTES_PER_ELEMENT + 1);
const damagedBit = 0x80;
const firstSlots = 1 << 12;

interface Block {
  readonly ids: Uint8Array;
  /** Number of the pack, offset, storedBytes, rawBytes: four to an entry. */
  readonly numbers: Uint32Array;
  /** Type in the low four bits, compression in the next two, damaged on top. */
  readonly flags: Uint8Array;
}

/** Every blob of every known pack. An id may have several entries, one in each pack that holds it. Entries never go away. */
export class ChunkIndex {
  readonly #blocks: Block[] = [];
  readonly #packs: IndexedPack[] = [];
  readonly #packNumbers = new Map<string, number>();
  readonly #condemned = new Set<number>();
  #count = 0;
  #hasDamage = false;
  /** Ordinal + 1 of the entry whose id hashes here; 0 when free. */
  #slots = new Uint32Array(firstSlots);

  /** Ordinals are 0 to `entryCount - 1`. */
  get entryCount(): number {
    return this.#count;
  }

  /** Bytes of the tables. */
  get memoryBytes(): number {
    return this.#blocks.length * blockBytes + this.#slots.byteLength;
  }

  get packs(): readonly IndexedPack[] {
    return this.#packs;
  }

  pack(packId: string): IndexedPack | undefined {
    const number = this.#packNumbers.get(packId);
    return number === undefined ? undefined : this.#packs[number];
  }

  isCondemned(packId: string): boolean {
    const number = this.#packNumbers.get(packId);
    return number !== undefined && this.#condemned.has(number);
  }

  /** Adds a pack with its checked table of contents; one that is there already stays as it is. */
  addPack(packId: string, kind: PackKind, fileBytes: number, toc: Uint8Array): IndexedPack {
    const known = this.pack(packId);
    if (known !== undefined) return known;
    const count = toc.length / tocEntryBytes;
    const pack = { packId, kind, name: packName(kind, packId), fileBytes, first: this.#count, count };
    const number = this.#packs.length;
    this.#packs.push(pack);
    this.#packNumbers.set(packId, number);
    this.#reserve(this.#count + count);
    const view = new DataView(toc.buffer, toc.byteOffset, toc.byteLength);
    for (let index = 0; index < count; index++) this.#append(number, toc, view, index * tocEntryBytes);
    return pack;
  }

  /** Packs that may go soon: their blobs can be read, but nothing new may rely on them. */
  condemn(packIds: Iterable<string>): void {
    for (const packId of packIds) {
      const number = this.#packNumbers.get(packId);
      if (number !== undefined) this.#condemned.add(number);
    }
  }

  /** Whether any copy was marked as damaged. */
  get hasDamage(): boolean {
    return this.#hasDamage;
  }

  /** Takes back every `condemn` and `markDamaged`. */
  clearMarks(): void {
    this.#condemned.clear();
    if (!this.#hasDamage) return;
    this.#hasDamage = false;
    for (const { flags } of this.#blocks) {
      for (const [at, flag] of flags.entries()) flags[at] = flag & ~damagedBit;
    }
  }

  /** Marks the copy of `id` in this pack as damaged. */
  markDamaged(packId: string, id: Uint8Array): void {
    for (const ordinal of this.ordinals(id, 0)) {
      const block = this.#block(ordinal);
      if (this.#packOf(ordinal).packId !== packId) continue;
      const at = ordinal % blockEntries;
      block.flags[at] = (block.flags[at] ?? 0) | damagedBit;
      this.#hasDamage = true;
    }
  }

  /** The best entry of the id at `position` of `ids`: whole before damaged, safe before condemned. -1 when there is none. */
  find(ids: Uint8Array, position = 0): number {
    let best = -1;
    let bestRank = -1;
    for (const ordinal of this.ordinals(ids, position)) {
      const rank = (this.#isDamaged(ordinal) ? 0 : 2) + (this.#isCondemned(ordinal) ? 0 : 1);
      if (rank > bestRank) {
        best = ordinal;
        bestRank = rank;
      }
      if (rank === 3) break;
    }
    return best;
  }

  /** Whether new restore points may rely on the entry. */
  isUsable(ordinal: number): boolean {
    return !this.#isDamaged(ordinal) && !this.#isCondemned(ordinal);
  }

  /** All entries of the id at `position` of `ids`. */
  *ordinals(ids: Uint8Array, position = 0): Generator<number> {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(ids, position) & mask; ; slot = (slot + 1) & mask) {
      const value = this.#slots[slot] ?? 0;
      if (value === 0) return;
      if (this.#equals(value - 1, ids, position)) yield value - 1;
    }
  }

  /** Where the entry's record lies. */
  location(ordinal: number): BlobLocation {
    const { numbers } = this.#block(ordinal);
    const at = (ordinal % blockEntries) * 4;
    return {
      pack: this.#packOf(ordinal).name,
      offset: numbers[at + 1] ?? 0,
      recordBytes: blobHeaderBytes + (numbers[at + 2] ?? 0),
      rawBytes: numbers[at + 3] ?? 0,
    };
  }

  /** A copy of the entry's id. */
  idOf(ordinal: number): Uint8Array {
    const at = (ordinal % blockEntries) * idBytes;
    return this.#block(ordinal).ids.slice(at, at + idBytes);
  }

  /** Everything about an entry. */
  entry(ordinal: number): IndexEntry {
    const { flags, numbers } = this.#block(ordinal);
    const at = ordinal % blockEntries;
    const flag = flags[at] ?? 0;
    return {
      ordinal,
      pack: this.#packOf(ordinal),
      id: this.idOf(ordinal),
      offset: numbers[at * 4 + 1] ?? 0,
      storedBytes: numbers[at * 4 + 2] ?? 0,
      rawBytes: numbers[at * 4 + 3] ?? 0,
      type: typeOf(flag),
      compression: compressionOf(flag),
      damaged: (flag & damagedBit) !== 0,
    };
  }

  #append(pack: number, toc: Uint8Array, view: DataView, position: number): void {
    const ordinal = this.#count++;
    const at = ordinal % blockEntries;
    if (at === 0) this.#blocks.push(newBlock());
    const { ids, numbers, flags } = this.#block(ordinal);
    ids.set(toc.subarray(position, position + idBytes), at * idBytes);
    numbers[at * 4] = pack;
    numbers[at * 4 + 1] = view.getUint32(position + 32, true);
    numbers[at * 4 + 2] = view.getUint32(position + 36, true);
    numbers[at * 4 + 3] = view.getUint32(position + 40, true);
    flags[at] = view.getUint8(position + 44) | (view.getUint8(position + 45) << 4);
    this.#insert(ordinal);
  }

  /** Grows the table so that at most 70 % of it is used. */
  #reserve(entries: number): void {
    let slots = this.#slots.length;
    while (entries > slots * 0.7) slots *= 2;
    if (slots === this.#slots.length) return;
    this.#slots = new Uint32Array(slots);
    for (let ordinal = 0; ordinal < this.#count; ordinal++) this.#insert(ordinal);
  }

  #insert(ordinal: number): void {
    const mask = this.#slots.length - 1;
    let slot = hashOf(this.#block(ordinal).ids, (ordinal % blockEntries) * idBytes) & mask;
    while ((this.#slots[slot] ?? 0) !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = ordinal + 1;
  }

  #equals(ordinal: number, ids: Uint8Array, position: number): boolean {
    const own = this.#block(ordinal).ids;
    const at = (ordinal % blockEntries) * idBytes;
    for (let byte = 0; byte < idBytes; byte++) {
      if (own[at + byte] !== ids[position + byte]) return false;
    }
    return true;
  }

  #isDamaged(ordinal: number): boolean {
    return ((this.#block(ordinal).flags[ordinal % blockEntries] ?? 0) & damagedBit) !== 0;
  }

  #isCondemned(ordinal: number): boolean {
    return this.#condemned.has(this.#block(ordinal).numbers[(ordinal % blockEntries) * 4] ?? 0);
  }

  #packOf(ordinal: number): IndexedPack {
    const pack = this.#packs[this.#block(ordinal).numbers[(ordinal % blockEntries) * 4] ?? 0];
    if (pack === undefined) throw new TidemarkError(errorCodes.internal, `Index entry ${ordinal} has no pack.`);
    return pack;
  }

  #block(ordinal: number): Block {
    const block = this.#blocks[Math.floor(ordinal / blockEntries)];
    if (block === undefined) throw new TidemarkError(errorCodes.internal, `The index has no entry ${ordinal}.`);
    return block;
  }
}

function newBlock(): Block {
  return {
    ids: new Uint8Array(blockEntries * idBytes),
    numbers: new Uint32Array(blockEntries * 4),
    flags: new Uint8Array(blockEntries),
  };
}

/** Ids are keyed hashes, so any four bytes of them are as good as a hash. */
function hashOf(ids: Uint8Array, position: number): number {
  return (
    ((ids[position] ?? 0) |
      ((ids[position + 1] ?? 0) << 8) |
      ((ids[position + 2] ?? 0) << 16) |
      ((ids[position + 3] ?? 0) << 24)) >>>
    0
  );
}

function typeOf(flag: number): BlobType {
  const type = parseBlobType(flag & 0x0f);
  if (type === undefined) throw new TidemarkError(errorCodes.internal, 'An index entry has no type.');
  return type;
}

function compressionOf(flag: number): Compression {
  const found = parseCompression((flag >>> 4) & 0x03);
  if (found === undefined) throw new TidemarkError(errorCodes.internal, 'An index entry has no compression.');
  return found;
}
