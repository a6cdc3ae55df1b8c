/** Fills packs and makes them durable: blobs go into the file as they come, and one pack is flushed while the next is being filled. */
import { releaseMemory } from '../../base/memory.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import { PackBuilder, pieceFolder } from '../../repository/index.ts';
import type { PieceWriter, SealedBlob, UnfinishedFile } from '../../repository/index.ts';

/** A pack that is durable. */
export interface StoredPack {
  readonly packId: string;
  readonly toc: Uint8Array;
  readonly fileBytes: number;
}

/** Writes packs; `onStored` hears of each one after it is durable, and not before. */
export class PackStore {
  readonly #storage: PieceWriter;
  readonly #writer: string;
  readonly #signal: AbortSignal;
  readonly #onStored: (pack: StoredPack) => void;
  #pack = new PackBuilder();
  #file: UnfinishedFile | undefined;
  #finishing: Promise<void> = Promise.resolve();

  /** `writer`: `WriteSession.writer`, by which the session finds what this leaves when its thread is ended by force. */
  constructor(storage: PieceWriter, writer: string, signal: AbortSignal, onStored: (pack: StoredPack) => void) {
    this.#storage = storage;
    this.#writer = writer;
    this.#signal = signal;
    this.#onStored = onStored;
  }

  /** Appends a blob, whose memory is freed; waits for the pack before when the one in hand is full. Returns the bytes appended. */
  async add(blob: SealedBlob): Promise<number> {
    const file = (this.#file ??= await this.#storage.create(pieceFolder, this.#writer, this.#signal));
    const before = this.#pack.bytes;
    this.#pack.add(blob);
    const added = this.#pack.bytes - before;
    const parts = this.#pack.takeParts();
    file.append(parts);
    for (const part of parts) releaseMemory(part);
    if (this.#pack.full) await this.#rotate(file);
    return added;
  }

  /** Makes everything durable. */
  async finish(): Promise<void> {
    if (this.#file !== undefined) await this.#rotate(this.#file);
    await this.#finishing;
  }

  /** Ends what is being written, whatever comes of it; a pack that is not full is dropped. */
  async settle(): Promise<void> {
    await this.#file?.discard();
    await this.#finishing.catch(() => undefined);
  }

  async #rotate(file: UnfinishedFile): Promise<void> {
    await this.#finishing;
    throwIfAborted(this.#signal);
    const { packId, name, parts, toc, fileBytes } = this.#pack.finish();
    file.append(parts);
    this.#pack = new PackBuilder();
    this.#file = undefined;
    const complete = async (): Promise<void> => {
      await file.finish(name);
      this.#onStored({ packId, toc, fileBytes });
    };
    const finishing = complete();
    // The failure is thrown where the next pack, `finish` or `settle` waits for this one.
    finishing.catch(() => undefined);
    this.#finishing = finishing;
  }
}
