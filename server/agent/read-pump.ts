/** Answers a `read`: the disk is read in large pieces ahead of the socket, zero chunks are left out, the order is kept. */
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';

import { Semaphore } from '../base/concurrency.ts';
import { encodeFrameHeader } from '../base/frames.ts';
import { releaseMemory } from '../base/memory.ts';
import { frameEncoding, frameHeaderBytes, frameType, maxFrameBytes } from '../protocol/data.ts';
import type { ReadRequest } from '../protocol/data.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { FrameOutput } from './frame-output.ts';
import { PiecePool } from './piece-pool.ts';
import type { DiskReader } from './provider.ts';

const compressAsync = promisify(zstdCompress);
/** A chunk is sent compressed when that saves at least 3 %: less is not worth the receiver's time. */
const worthwhile = 0.97;
/** Chunks of one connection being compressed at a time, on the threads of libuv. */
const maxCompressing = 4;
/** One read of the disk, about; at least one chunk. */
const pieceTargetBytes = 1024 * 1024;

/** Never written: the system backs it with one page of zeros, which stays in the processor's cache. */
const zeros = Buffer.alloc(maxFrameBytes);

function isZero(chunk: Buffer): boolean {
  return chunk[0] === 0 && chunk.equals(chunk.length === zeros.length ? zeros : zeros.subarray(0, chunk.length));
}

/** What is read from. */
export type ReadableDisk = Pick<DiskReader, 'sizeBytes' | 'read'>;

/** A piece of the disk as it is sent. */
interface Prepared {
  readonly buffers: readonly Buffer[];
  /** Those of them that are freed when they are sent. */
  readonly compressed: readonly Buffer[];
}

interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** Checks that ranges lie on the chunk grid and inside the disk. Throws `TM1001`. */
function checkRanges({ ranges, chunkBytes }: ReadRequest, sizeBytes: number): void {
  let valid = ranges.length % 2 === 0;
  for (let index = 0; valid && index + 1 < ranges.length; index += 2) {
    const offset = ranges[index] ?? 0;
    const length = ranges[index + 1] ?? 0;
    const end = offset + length;
    valid = length > 0 && offset % chunkBytes === 0 && end <= sizeBytes;
    valid &&= end % chunkBytes === 0 || end === sizeBytes;
  }
  if (!valid) {
    throw new TidemarkError(
      errorCodes.invalidInput,
      'The ranges to read do not lie on the grid of chunks inside the disk.',
    );
  }
}

function* pieces({ ranges }: ReadRequest, pieceBytes: number): Generator<Piece> {
  for (let index = 0; index + 1 < ranges.length; index += 2) {
    let offset = ranges[index] ?? 0;
    const end = offset + (ranges[index + 1] ?? 0);
    for (; offset < end; offset += pieceBytes) yield { offset, length: Math.min(pieceBytes, end - offset) };
  }
}

/** The reading side of one data connection: keeps its memory from request to request. */
export class ReadPump {
  readonly #output: FrameOutput;
  readonly #compressing = new Semaphore(maxCompressing);
  #pool = new PiecePool(pieceTargetBytes);

  constructor(output: FrameOutput) {
    this.#output = output;
  }

  /** Sends everything a read asks for, without the `end`. Nothing reads from the disk any more when it returns or throws. */
  async answer(request: number, read: ReadRequest, disk: ReadableDisk, signal: AbortSignal): Promise<void> {
    checkRanges(read, disk.sizeBytes);
    const pieceBytes = read.chunkBytes * Math.max(1, Math.floor(pieceTargetBytes / read.chunkBytes));
    // A pool that is replaced may still have buffers in the socket; they end with it.
    if (this.#pool.pieceBytes !== pieceBytes) this.#pool = new PiecePool(pieceBytes);
    const pool = this.#pool;
    let tail: Promise<void> = Promise.resolve();
    let failed = false;
    try {
      for (const piece of pieces(read, pieceBytes)) {
        const buffer = await pool.take(signal);
        if (failed) {
          pool.give(buffer);
          break;
        }
        const ready = this.#prepare(request, read, disk, piece, buffer);
        tail = this.#sendInOrder(tail, ready, () => pool.give(buffer), signal);
        tail.catch(() => {
          failed = true;
        });
      }
    } finally {
      await tail;
    }
  }

  /** Waits for both, so that no read outlives the answer. */
  async #sendInOrder(
    before: Promise<void>,
    ready: Promise<Prepared>,
    done: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    const [earlier, now] = await Promise.allSettled([before, ready]);
    if (earlier.status === 'fulfilled' && now.status === 'fulfilled' && !signal.aborted) {
      const { buffers, compressed } = now.value;
      this.#output.send(buffers, () => {
        done();
        for (const buffer of compressed) releaseMemory(buffer);
      });
      return;
    }
    done();
    if (earlier.status === 'rejected') throw earlier.reason;
    if (now.status === 'rejected') throw now.reason;
    throwIfAborted(signal);
  }

  /** Reads a piece and makes its frames; headers that follow each other (zero chunks) become one buffer. */
  async #prepare(
    request: number,
    { chunkBytes, compress }: ReadRequest,
    disk: ReadableDisk,
    { offset, length }: Piece,
    buffer: Buffer,
  ): Promise<Prepared> {
    await disk.read(buffer.subarray(0, length), offset);
    const count = Math.ceil(length / chunkBytes);
    const chunks: (Buffer | undefined)[] = [];
    for (let start = 0; start < length; start += chunkBytes) {
      const chunk = buffer.subarray(start, Math.min(length, start + chunkBytes));
      chunks.push(isZero(chunk) ? undefined : chunk);
    }
    const stored = compress ? await Promise.all(chunks.map(async (chunk) => this.#compress(chunk))) : chunks;
    const headers = Buffer.allocUnsafe(count * frameHeaderBytes);
    const output: Buffer[] = [];
    const compressed: Buffer[] = [];
    let pending = 0;
    for (const [index, chunk] of stored.entries()) {
      const rawBytes = Math.min(chunkBytes, length - index * chunkBytes);
      const storedBytes = chunk?.length ?? 0;
      encodeFrameHeader(headers, index * frameHeaderBytes, {
        type: chunk === undefined ? frameType.zero : frameType.data,
        encoding: chunk !== undefined && storedBytes < rawBytes ? frameEncoding.zstd : frameEncoding.raw,
        request,
        offset: offset + index * chunkBytes,
        rawBytes,
        storedBytes,
      });
      if (chunk === undefined) continue;
      output.push(headers.subarray(pending, (index + 1) * frameHeaderBytes), chunk);
      if (storedBytes < rawBytes) compressed.push(chunk);
      pending = (index + 1) * frameHeaderBytes;
    }
    if (pending < headers.length) output.push(headers.subarray(pending));
    return { buffers: output, compressed };
  }

  async #compress(chunk: Buffer | undefined): Promise<Buffer | undefined> {
    if (chunk === undefined) return undefined;
    const release = await this.#compressing.acquire();
    try {
      const compressed = await compressAsync(chunk, {
        params: { [constants.ZSTD_c_compressionLevel]: 1 },
        // As the daemon does it: smaller tables, and one piece of output.
        pledgedSrcSize: chunk.length,
        chunkSize: Math.max(1024, chunk.length + (chunk.length >>> 8) + 64),
      });
      if (compressed.length < chunk.length * worthwhile) return compressed;
      releaseMemory(compressed);
      return chunk;
    } finally {
      release();
    }
  }
}
