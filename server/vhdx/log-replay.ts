/** Replays a dirty log: onto the file, or in memory for those who only read. */
import { corrupt, unsupported } from './errors.ts';
import { newGuid, zeroGuid } from './guid.ts';
import { KiB, updateHeader } from './header.ts';
import type { CurrentHeader } from './header.ts';
import { logSectorBytes } from './log-entry.ts';
import type { LogChange, LogEntry } from './log-entry.ts';
import { findActiveEntries } from './log-search.ts';
import type { RandomFile } from './random-file.ts';

/** Identifier and headers are never changed by the log. */
const firstLoggedByte = 192 * KiB;
/** No file is larger, see space-map.ts. */
const maxFileBytes = 80 * 1024 ** 4;
/** Zeroed ranges kept in memory; a writer logs a handful. */
const maxZeroRanges = 4096;
const zeroPieceBytes = 1024 * KiB;

function checkChanges(path: string, header: CurrentHeader, entries: readonly LogEntry[]): void {
  let zeroRanges = 0;
  for (const { changes, lastFileBytes } of entries) {
    if (lastFileBytes > maxFileBytes) throw corrupt(path, `its log extends it to ${lastFileBytes} bytes`);
    for (const change of changes) {
      const length = changeBytes(change);
      const inLog = change.offset < header.logOffset + header.logBytes && change.offset + length > header.logOffset;
      if (change.offset < firstLoggedByte || change.offset + length > maxFileBytes || inLog) {
        throw corrupt(path, `its log changes byte ${change.offset}`);
      }
      if (change.kind === 'zero') zeroRanges += 1;
    }
  }
  if (zeroRanges > maxZeroRanges) throw unsupported(path, `its log zeroes ${zeroRanges} ranges`);
}

const changeBytes = (change: LogChange): number => (change.kind === 'zero' ? change.length : change.data.length);

/** The file as it is after its log was replayed, when it must be; nothing is written. Throws `TM3002` to `TM3004`. */
export async function withLogInMemory(file: RandomFile, header: CurrentHeader): Promise<RandomFile> {
  if (header.logGuid === zeroGuid) return file;
  const fileBytes = await file.size();
  const entries = await findActiveEntries(file, header, fileBytes);
  checkChanges(file.path, header, entries);
  return new ReplayedFile(file, fileBytes, entries);
}

/** Replays the log onto the file, when it must be, and marks it as done. Throws `TM3002` to `TM3004`. */
export async function replayLog(file: RandomFile, header: CurrentHeader): Promise<CurrentHeader> {
  if (header.logGuid === zeroGuid) return header;
  const fileBytes = await file.size();
  const entries = await findActiveEntries(file, header, fileBytes);
  checkChanges(file.path, header, entries);
  const zeros = Buffer.alloc(zeroPieceBytes);
  let lastByte = fileBytes;
  for (const { changes, lastFileBytes } of entries) {
    lastByte = Math.max(lastByte, lastFileBytes);
    for (const change of changes) {
      if (change.kind === 'data') {
        await file.write(change.data, change.offset);
        continue;
      }
      // What lies past the end reads as zeros without being written.
      const end = Math.min(change.offset + change.length, fileBytes);
      for (let at = change.offset; at < end; at += zeros.length) {
        await file.write(zeros.subarray(0, Math.min(zeros.length, end - at)), at);
      }
      lastByte = Math.max(lastByte, change.offset + change.length);
    }
  }
  if ((await file.size()) < lastByte) await file.truncate(lastByte);
  await file.sync();
  return updateHeader(file, header, { fileWriteGuid: newGuid(), logGuid: zeroGuid });
}

/** A file seen through the changes of its log. */
class ReplayedFile implements RandomFile {
  readonly path: string;
  readonly #file: RandomFile;
  readonly #fileBytes: number;
  readonly #size: number;
  readonly #sectors = new Map<number, Buffer>();
  #zeroRanges: readonly { readonly start: number; readonly end: number }[] = [];

  constructor(file: RandomFile, fileBytes: number, entries: readonly LogEntry[]) {
    this.path = file.path;
    this.#file = file;
    this.#fileBytes = fileBytes;
    let size = fileBytes;
    for (const entry of entries) {
      size = Math.max(size, entry.lastFileBytes);
      for (const change of entry.changes) {
        this.#apply(change);
        size = Math.max(size, change.offset + changeBytes(change));
      }
    }
    this.#size = size;
  }

  #apply(change: LogChange): void {
    if (change.kind === 'data') {
      this.#sectors.set(change.offset, change.data);
      return;
    }
    const start = change.offset;
    const end = start + change.length;
    for (const offset of this.#sectors.keys()) if (offset >= start && offset < end) this.#sectors.delete(offset);
    this.#zeroRanges = [...this.#zeroRanges, { start, end }];
  }

  async size(): Promise<number> {
    return this.#size;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    const end = position + target.length;
    // Reading past the new end is refused by the file; past the old end it reads zeros.
    const inFile = end > this.#size ? target.length : Math.max(0, Math.min(target.length, this.#fileBytes - position));
    await this.#file.read(target.subarray(0, inFile), position);
    target.fill(0, inFile);
    for (const range of this.#zeroRanges) {
      if (range.start < end && range.end > position) {
        target.fill(0, Math.max(0, range.start - position), Math.min(target.length, range.end - position));
      }
    }
    const first = position - (position % logSectorBytes);
    for (let offset = first; offset < end; offset += logSectorBytes) {
      const sector = this.#sectors.get(offset);
      if (sector === undefined) continue;
      const from = Math.max(0, position - offset);
      target.set(sector.subarray(from, Math.min(logSectorBytes, end - offset)), offset + from - position);
    }
  }

  async write(): Promise<void> {
    throw corrupt(this.path, 'it was opened for reading only');
  }

  async truncate(): Promise<void> {
    await this.write();
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
