/** Collects sealed blobs into a pack file. Format: pack-toc.ts. */
import { createHash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { blobType, parseBlobHeader } from './blob.ts';
import type { SealedBlob } from './blob.ts';
import { encodeFooter, packName, tocEntryBytes, writeTocEntry } from './pack-toc.ts';
import type { PackKind, TocEntry } from './pack-toc.ts';

/** A pack is full from here on. Large enough that files and fsyncs are few, small enough that two in each worker cost little memory. */
const fullBytes = 16 * 1024 * 1024;

/** A pack ready to be stored. */
export interface FinishedPack {
  /** SHA-256 of the file, hex. */
  readonly packId: string;
  readonly kind: PackKind;
  /** Its name in the backend. */
  readonly name: string;
  readonly parts: readonly Uint8Array[];
  readonly toc: Uint8Array;
  readonly fileBytes: number;
}

/** One pack being filled. Blobs are hashed as they come and never copied; whoever stores them piece by piece takes their parts at once. */
export class PackBuilder {
  readonly #kind: PackKind;
  readonly #hash = createHash('sha256');
  #parts: Uint8Array[] = [];
  readonly #entries: TocEntry[] = [];
  #bytes = 0;

  constructor(kind: PackKind = 'data') {
    this.#kind = kind;
  }

  /** Bytes of the records so far. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= fullBytes;
  }

  /** Appends a blob. */
  add(blob: SealedBlob): void {
    if ((blob.type === blobType.chunk) !== (this.#kind === 'data')) {
      throw new TidemarkError(errorCodes.internal, 'A blob was given to a pack of another kind.');
    }
    const { id, type, compression, storedBytes, rawBytes } = blob;
    this.#entries.push({ id, type, compression, storedBytes, rawBytes, offset: this.#bytes });
    for (const part of blob.parts) this.#append(part);
    this.#bytes += blob.recordBytes;
  }

  /** Appends a record of another pack, unchanged. Throws `TM4010` when it is none. */
  addRecord(record: Uint8Array): void {
    this.add({ ...parseBlobHeader(record), parts: [record], recordBytes: record.length });
  }

  /** The parts that were added since the last call. `finish` gives only those that are left. */
  takeParts(): readonly Uint8Array[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Closes the pack; it takes no more blobs. */
  finish(): FinishedPack {
    const toc = Buffer.alloc(this.#entries.length * tocEntryBytes);
    for (const [index, entry] of this.#entries.entries()) writeTocEntry(toc, index * tocEntryBytes, entry);
    const footer = encodeFooter(toc, this.#bytes);
    this.#append(toc);
    this.#append(footer);
    const packId = this.#hash.digest('hex');
    const fileBytes = this.#bytes + toc.length + footer.length;
    // A table of its own memory, since it may be posted to another thread.
    const ownToc = new Uint8Array(toc);
    return { packId, kind: this.#kind, name: packName(this.#kind, packId), parts: this.#parts, toc: ownToc, fileBytes };
  }

  #append(part: Uint8Array): void {
    this.#hash.update(part);
    this.#parts.push(part);
  }
}
