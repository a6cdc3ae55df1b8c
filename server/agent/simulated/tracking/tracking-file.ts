/** One tracking file: an `EpochSet` on disk, updated in place before guest writes, replaced as a whole when epochs change. */
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { syncDirectory, systemCode, temporaryName } from '../../../base/files.ts';
import { EpochSet } from './epochs.ts';
import {
  decodeHeader,
  decodePage,
  encodeHeader,
  encodePage,
  filePageBytes,
  granularities,
  maxPagesPerEpoch,
} from './tracking-format.ts';
import type { TrackingKind } from './tracking-format.ts';

const readPages = 256;
/** Beyond any bitmap page index (maxPagesPerEpoch of 64 TiB is 132,105). */
const slotStride = 2 ** 20;

/** An open tracking file. The caller holds the VM's lock: there is one user at a time. */
export class TrackingFile {
  readonly path: string;
  readonly kind: TrackingKind;
  readonly epochs: EpochSet;
  /** Where each epoch's bitmap page lies, in file pages after the header. */
  readonly #slots = new Map<number, number>();
  readonly #dirty = new Set<number>();
  #pageCount = 0;

  private constructor(path: string, kind: TrackingKind, epochs: EpochSet) {
    this.path = path;
    this.kind = kind;
    this.epochs = epochs;
  }

  /** Opens the file; undefined when it is missing, damaged, cut short or of another kind: then nothing is known. */
  static async load(path: string, kind: TrackingKind): Promise<TrackingFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return await TrackingFile.#read(handle, path, kind);
    } finally {
      await handle.close();
    }
  }

  static async #read(handle: FileHandle, path: string, kind: TrackingKind): Promise<TrackingFile | undefined> {
    const first = Buffer.alloc(filePageBytes);
    const { bytesRead } = await handle.read(first, 0, filePageBytes, 0);
    const header = bytesRead === filePageBytes ? decodeHeader(first, kind) : undefined;
    if (header === undefined) return undefined;
    const { guid, sizeBytes } = header;
    const epochs = new EpochSet({ guid, sizeBytes }, granularities[kind], header.session, header.ordinals);
    const file = new TrackingFile(path, kind, epochs);
    const maxPages = maxPagesPerEpoch(sizeBytes, kind);
    // A page beyond the header's count was being added when the process died, before the guest write it was for; its
    // bits are kept when it is whole, which is never wrong, and its place is used again otherwise.
    const available = Math.floor((await handle.stat()).size / filePageBytes) - 1;
    if (header.pageCount > available || header.pageCount > maxPages * header.ordinals.length) return undefined;
    const wanted = Math.min(available, maxPages * header.ordinals.length);
    const buffer = Buffer.alloc(readPages * filePageBytes);
    for (let slot = 0; slot < wanted; slot += readPages) {
      const count = Math.min(readPages, wanted - slot);
      const { bytesRead: got } = await handle.read(buffer, 0, count * filePageBytes, (1 + slot) * filePageBytes);
      if (got !== count * filePageBytes) return undefined;
      for (let at = 0; at < count; at++) {
        const page = buffer.subarray(at * filePageBytes, (at + 1) * filePageBytes);
        const accepted = file.#accept(page, slot + at, maxPages);
        if (!accepted && slot + at < header.pageCount) return undefined;
        if (!accepted) return file;
      }
    }
    return file;
  }

  #accept(bytes: Uint8Array, slot: number, maxPages: number): boolean {
    const page = decodePage(bytes);
    const bitmap = page === undefined ? undefined : this.epochs.epoch(page.ordinal);
    if (page === undefined || bitmap === undefined || page.index >= maxPages) return false;
    bitmap.mergePage(page.index, page.bits);
    this.#slots.set(page.ordinal * slotStride + page.index, slot);
    this.#pageCount = slot + 1;
    return true;
  }

  /** Writes `epochs` as a new file at `path`, replacing any other; afterwards it is durable. */
  static async write(path: string, kind: TrackingKind, epochs: EpochSet): Promise<TrackingFile> {
    const file = new TrackingFile(path, kind, epochs);
    const temporary = temporaryName(path);
    try {
      const handle = await open(temporary, 'wx');
      try {
        for (const ordinal of epochs.ordinals) {
          for (const [index] of epochs.epoch(ordinal)?.pages() ?? []) await file.#writePage(handle, ordinal, index);
        }
        await file.#writeHeader(handle);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(dirname(path));
    return file;
  }

  /** Records a guest write in memory only; `flush` must follow before the write itself. */
  mark(offset: number, length: number): void {
    for (const index of this.epochs.mark(offset, length)) this.#dirty.add(index);
  }

  /** Makes what was marked durable. */
  async flush(): Promise<void> {
    if (this.#dirty.size === 0) return;
    const handle = await open(this.path, 'r+');
    try {
      const before = this.#pageCount;
      const { live } = this.epochs;
      for (const index of this.#dirty) await this.#writePage(handle, live, index);
      if (this.#pageCount !== before) await this.#writeHeader(handle);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    this.#dirty.clear();
  }

  async #writePage(handle: FileHandle, ordinal: number, index: number): Promise<void> {
    const bits = this.epochs.epoch(ordinal)?.page(index);
    if (bits === undefined) return;
    const key = ordinal * slotStride + index;
    const slot = this.#slots.get(key) ?? this.#pageCount;
    await writeWhole(handle, encodePage({ ordinal, index, bits }), (1 + slot) * filePageBytes);
    this.#slots.set(key, slot);
    this.#pageCount = Math.max(this.#pageCount, slot + 1);
  }

  async #writeHeader(handle: FileHandle): Promise<void> {
    const { identity, session, ordinals } = this.epochs;
    const header = { kind: this.kind, ...identity, session, pageCount: this.#pageCount, ordinals };
    await writeWhole(handle, encodeHeader(header), 0);
  }
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
