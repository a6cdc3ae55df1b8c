/** Writing to a VHDX, with its parents below it. */
import { Mutex } from '../base/concurrency.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { blockState, isPresent } from './bat.ts';
import type { BatEntry } from './bat.ts';
import { openParents, VirtualDisk } from './chain.ts';
import type { OpenOptions } from './chain.ts';
import { checkDiskRange } from './errors.ts';
import { bitmapBlockBytes, blockLength } from './geometry.ts';
import { newGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { Journal, maxBatchSectors } from './journal.ts';
import { roundUpToMiB } from './layout.ts';
import { openRandomFile } from './random-file.ts';
import type { RandomFile } from './random-file.ts';
import { VhdxFile } from './vhdx-file.ts';

/** Most sectors that one change of a block dirties: two table entries and the bits of a block of 256 MiB, unaligned. */
const maxSectorsPerChange = 20;

/** How a file is opened for writing. */
export interface WriterOptions extends OpenOptions {
  /** DataWriteGuid that the file gets with its first change. Default: a random one. */
  readonly dataWriteGuid?: Guid | undefined;
}

/**
 * A VHDX open for writing. What was written before a `flush` that resolved survives any crash; of later writes a crash
 * keeps some, and never part of a structure. Calls may overlap. After an error of the file system nothing more is
 * written: opening the file again replays its log.
 */
export class VhdxWriter implements AsyncDisposable {
  readonly disk: VirtualDisk;
  readonly #top: VhdxFile;
  readonly #file: RandomFile;
  readonly #journal: Journal;
  readonly #dataWriteGuid: Guid;
  readonly #mutex = new Mutex();
  #allocationEnd: number;
  #marked = { file: false, data: false };
  #failed = false;
  #closed = false;

  /** `disk` is the chain whose topmost file is `top`, open for writing, its log replayed. */
  constructor(disk: VirtualDisk, top: VhdxFile, fileBytes: number, options: WriterOptions = {}) {
    this.disk = disk;
    this.#top = top;
    this.#file = top.file;
    this.#journal = new Journal(top.file, top.structures.header, top.sectors);
    this.#dataWriteGuid = options.dataWriteGuid ?? newGuid();
    this.#allocationEnd = roundUpToMiB(Math.max(fileBytes, top.usedBytes));
  }

  get sizeBytes(): number {
    return this.#top.sizeBytes;
  }

  /** Writes all of `source` at byte `offset` of the disk. Throws `TM3008` past the disk's end. */
  async write(source: Uint8Array, offset: number): Promise<void> {
    checkDiskRange(this.#file.path, this.sizeBytes, offset, source.length);
    if (source.length === 0) return;
    await this.#guarded(async () => {
      const { geometry } = this.#top.table;
      if (geometry.differencing) {
        await this.#mutex.run(() => this.#writeOverParent(source, offset));
        return;
      }
      for (const { block, within, part } of this.#pieces(source, offset)) {
        const place = await this.#mutex.run(() => this.#placeOf(block));
        await this.#file.write(part, place + within);
      }
    });
  }

  /** Fills all of `target` with what the disk holds from byte `offset` on, including writes not yet flushed. */
  async read(target: Uint8Array, offset: number): Promise<void> {
    await this.disk.read(target, offset);
  }

  /** Makes all writes that have resolved durable. */
  async flush(): Promise<void> {
    await this.#guarded(() => this.#mutex.run(() => this.#journal.commit()));
  }

  /** Carries out a change of the file's metadata that does not change what the disk holds. */
  async changeMetadata(change: (file: VhdxFile) => Promise<void>): Promise<void> {
    await this.#guarded(() =>
      this.#mutex.run(async () => {
        await this.#mark(false);
        await this.#reserve();
        await change(this.#top);
        await this.#journal.commit();
      }),
    );
  }

  /** Makes all durable, marks the log as empty and closes all files. After an error it only closes them. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (!this.#failed) await this.#mutex.run(() => this.#journal.finish());
    } finally {
      await this.disk.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    if (this.#failed || this.#closed) {
      throw new TidemarkError(errorCodes.diskReadOnly, `${this.#file.path} is not open for writing any more.`, {
        hint: 'Writing to it failed before; open it again.',
      });
    }
    try {
      await work();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  *#pieces(source: Uint8Array, offset: number): Generator<{ block: number; within: number; part: Uint8Array }> {
    const { geometry } = this.#top.table;
    for (let done = 0; done < source.length;) {
      const block = Math.floor((offset + done) / geometry.blockBytes);
      const within = offset + done - block * geometry.blockBytes;
      const part = source.subarray(done, done + blockLength(geometry, block) - within);
      yield { block, within, part };
      done += part.length;
    }
  }

  /** Before the first write of an opening the file gets a new FileWriteGuid, before the first visible one a DataWriteGuid. */
  async #mark(visible: boolean): Promise<void> {
    if (this.#marked.file && (this.#marked.data || !visible)) return;
    // What lies behind the last block was being allocated when a writer died; a new block there must read as zeros.
    const fileBytes = await this.#file.size();
    if (!this.#marked.file && fileBytes > roundUpToMiB(this.#top.usedBytes)) {
      this.#allocationEnd = roundUpToMiB(this.#top.usedBytes);
      await this.#file.truncate(this.#allocationEnd);
    }
    await this.#journal.stamp({
      ...(!this.#marked.file && { fileWriteGuid: newGuid() }),
      ...(visible && !this.#marked.data && { dataWriteGuid: this.#dataWriteGuid }),
    });
    this.#marked = { file: true, data: this.#marked.data || visible };
  }

  /** Makes sure that one more change fits into the batch. */
  async #reserve(): Promise<void> {
    if (this.#top.sectors.dirtyCount + maxSectorsPerChange > maxBatchSectors) await this.#journal.commit();
  }

  async #allocate(bytes: number): Promise<number> {
    const offset = this.#allocationEnd;
    await this.#file.truncate(offset + bytes);
    this.#allocationEnd = offset + bytes;
    return offset;
  }

  /** Where a block of a disk without parent lies; it is allocated when it is not. */
  async #placeOf(block: number): Promise<number> {
    await this.#mark(true);
    const entry = await this.#top.table.block(block);
    return isPresent(entry) ? entry.offset : this.#allocateZeros(block);
  }

  async #allocateZeros(block: number): Promise<number> {
    await this.#reserve();
    const offset = await this.#allocate(this.#top.table.geometry.blockBytes);
    await this.#top.table.setBlock(block, { state: blockState.fullyPresent, offset });
    return offset;
  }

  async #writeOverParent(source: Uint8Array, offset: number): Promise<void> {
    await this.#mark(true);
    for (const { block, within, part } of this.#pieces(source, offset)) {
      const entry = await this.#top.table.block(block);
      if (entry.state === blockState.fullyPresent) {
        await this.#file.write(part, entry.offset + within);
      } else if (part.length === blockLength(this.#top.table.geometry, block)) {
        await this.#writeWholeBlock(block, entry, part);
      } else if (entry.state === blockState.notPresent || entry.state === blockState.partiallyPresent) {
        await this.#writeSectors(block, within, part);
      } else {
        // Zeros that hide the parent.
        await this.#file.write(part, (await this.#allocateZeros(block)) + within);
      }
    }
  }

  async #writeWholeBlock(block: number, entry: BatEntry, data: Uint8Array): Promise<void> {
    await this.#reserve();
    const { table } = this.#top;
    const offset = isPresent(entry) ? entry.offset : await this.#allocate(table.geometry.blockBytes);
    await this.#file.write(data, offset);
    await table.setBlock(block, { state: blockState.fullyPresent, offset });
  }

  /** Writes to a block that is in part the parent's: whole sectors, so the first and the last may have to be completed. */
  async #writeSectors(block: number, within: number, data: Uint8Array): Promise<void> {
    const { sectorBytes, blockBytes } = this.#top.table.geometry;
    const first = Math.floor(within / sectorBytes);
    const end = Math.ceil((within + data.length) / sectorBytes);
    const start = first * sectorBytes;
    const blockStart = block * blockBytes;
    // Read before anything is allocated or marked: a sector may hold both edges.
    const head = Buffer.alloc(within - start);
    const tail = Buffer.alloc(end * sectorBytes - within - data.length);
    await this.disk.read(head, blockStart + start);
    await this.disk.read(tail, blockStart + within + data.length);
    await this.#reserve();
    const place = await this.#partialBlock(block);
    if (head.length > 0) await this.#file.write(head, place + start);
    await this.#file.write(data, place + within);
    if (tail.length > 0) await this.#file.write(tail, place + within + data.length);
    await this.#top.table.setSectors(block, first, end - first, true);
  }

  /** Where a block lies that has, or gets, a sector bitmap. */
  async #partialBlock(block: number): Promise<number> {
    const { table } = this.#top;
    const entry = await table.block(block);
    if (isPresent(entry)) return entry.offset;
    const { blockBytes, sectorBytes } = table.geometry;
    const offset = await this.#allocate(blockBytes);
    if ((await table.chunkBitmap(block)) === undefined) {
      await table.setChunkBitmap(block, await this.#allocate(bitmapBlockBytes));
    } else {
      await table.setSectors(block, 0, blockBytes / sectorBytes, false);
    }
    await table.setBlock(block, { state: blockState.partiallyPresent, offset });
    return offset;
  }
}

/** Opens a VHDX for writing, its parents for reading; a dirty log is replayed. Throws `TM1003`, `TM3001` to `TM3007`, and `TM3009` when it cannot be written. */
export async function openVhdxWriter(path: string, options: WriterOptions = {}): Promise<VhdxWriter> {
  await using undo = new AsyncDisposableStack();
  const file = await openRandomFile(path, 'write');
  undo.defer(() => file.close());
  const top = await VhdxFile.open(file, true);
  const parents = await openParents(top, options);
  const writer = new VhdxWriter(new VirtualDisk([top, ...parents]), top, await file.size(), options);
  undo.move();
  return writer;
}
