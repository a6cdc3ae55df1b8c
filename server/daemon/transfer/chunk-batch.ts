/** A few chunks on their way through a worker: hashed together, asked for together, sealed together. */

import { releaseMemory } from '../../base/memory.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { unpackFrame } from '../../repository/index.ts';
import type { ChunkSealer, SealedBlob } from '../../repository/index.ts';
import type { DataFrame } from '../agent-client/data-connection.ts';

/** Bytes and chunks of a batch: few enough to keep memory small, many enough that asking costs nothing. */
const batchBytes = 4 * 1024 * 1024;
const batchChunks = 64;
const idBytes = 32;

type ChunkFrame = Exclude<DataFrame, { readonly type: 'end' }>;

interface Chunk {
  readonly index: number;
  readonly frame: ChunkFrame;
  /** Absent for zeros. */
  readonly plain: Uint8Array | undefined;
  /** The zstd frame the agent made of it, verified. */
  readonly compressed: Uint8Array | undefined;
}

/** Collects chunks, gives their ids, then seals those that the repository does not have. Reused batch after batch. */
export class ChunkBatch {
  readonly #sealer: ChunkSealer;
  readonly #recycle: (frame: DataFrame) => void;
  #chunks: Chunk[] = [];
  #ids = new Uint8Array(batchChunks * idBytes);
  #readBytes = 0;

  constructor(sealer: ChunkSealer, recycle: (frame: DataFrame) => void) {
    this.#sealer = sealer;
    this.#recycle = recycle;
  }

  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  get full(): boolean {
    return this.#chunks.length >= batchChunks || this.#readBytes >= batchBytes;
  }

  /** Takes in a chunk and hashes it. Throws `TM2004` when what the agent compressed does not unpack to the chunk. */
  add(frame: ChunkFrame, chunkBytes: number): void {
    const index = frame.offset / chunkBytes;
    const position = this.#chunks.length * idBytes;
    this.#readBytes += frame.rawBytes;
    if (frame.type === 'zero') {
      this.#ids.fill(0, position, position + idBytes);
      this.#chunks.push({ index, frame, plain: undefined, compressed: undefined });
      return;
    }
    const compressed = frame.encoding === 'zstd' ? frame.payload : undefined;
    const plain = compressed === undefined ? frame.payload : decompress(compressed, frame.rawBytes);
    this.#sealer.id(plain, this.#ids, position);
    this.#chunks.push({ index, frame, plain, compressed });
  }

  /** Copies of the chunk indexes and ids, to be posted to the main thread. */
  describe(): { readonly chunks: Uint32Array; readonly ids: Uint8Array; readonly readBytes: number } {
    return {
      chunks: Uint32Array.from(this.#chunks, (chunk) => chunk.index),
      ids: this.#ids.slice(0, this.#chunks.length * idBytes),
      readBytes: this.#readBytes,
    };
  }

  /** Seals the chunks that are marked with 1, one at a time; the memory of each chunk goes back as soon as nobody needs it. */
  *sealNew(isNew: Uint8Array): Generator<SealedBlob> {
    for (const [position, chunk] of this.#chunks.entries()) {
      if (isNew[position] === 1 && chunk.plain !== undefined) {
        const id = this.#ids.slice(position * idBytes, (position + 1) * idBytes);
        yield this.#sealer.seal(id, chunk.plain, chunk.compressed);
      }
      this.#forget(chunk);
    }
  }

  /** Forgets the chunks and gives their memory back to the connection. */
  clear(): void {
    for (const chunk of this.#chunks) this.#forget(chunk);
    this.#chunks = [];
    this.#readBytes = 0;
  }

  #forget({ frame, plain, compressed }: Chunk): void {
    if (plain !== undefined && compressed !== undefined) releaseMemory(plain);
    this.#recycle(frame);
  }
}

function decompress(compressed: Uint8Array, rawBytes: number): Uint8Array {
  let plain: Uint8Array | undefined;
  try {
    plain = unpackFrame(compressed, rawBytes);
  } catch (error) {
    throw brokenFrame(error);
  }
  if (plain === undefined) throw brokenFrame(undefined);
  return plain;
}

function brokenFrame(cause: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.agentProtocolViolation,
    'The agent sent a compressed chunk that does not unpack to what it announced.',
    { hint: 'Check that agent and daemon have the same version, then run the backup again.', cause },
  );
}
