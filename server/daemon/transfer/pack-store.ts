/** Fills packs and makes them durable, writing one while the next is being filled. */
import { throwIfAborted } from '../../protocol/errors.ts';
import { PackBuilder } from '../../repository/index.ts';
import type { SealedBlob, StorageBackend } from '../../repository/index.ts';

/** A pack that is durable. */
export interface StoredPack {
  readonly packId: string;
  readonly toc: Uint8Array;
  readonly fileBytes: number;
}

/** Writes packs; `onStored` hears of each one after it is durable, and not before. */
export class PackStore {
  readonly #backend: StorageBackend;
  readonly #signal: AbortSignal;
  readonly #onStored: (pack: StoredPack) => void;
  #pack = new PackBuilder();
  #writing: Promise<void> = Promise.resolve();

  constructor(backend: StorageBackend, signal: AbortSignal, onStored: (pack: StoredPack) => void) {
    this.#backend = backend;
    this.#signal = signal;
    this.#onStored = onStored;
  }

  /** Appends a blob; waits for the pack before when the one in hand is full. Returns the bytes appended. */
  async add(blob: SealedBlob): Promise<number> {
    const before = this.#pack.bytes;
    this.#pack.add(blob);
    const added = this.#pack.bytes - before;
    if (this.#pack.full) await this.#rotate();
    return added;
  }

  /** Makes everything durable. */
  async finish(): Promise<void> {
    if (this.#pack.bytes > 0) await this.#rotate();
    await this.#writing;
  }

  /** Waits until nothing is being written any more, whatever came of it. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  async #rotate(): Promise<void> {
    await this.#writing;
    throwIfAborted(this.#signal);
    const { packId, name, parts, toc, fileBytes } = this.#pack.finish();
    this.#pack = new PackBuilder();
    const write = async (): Promise<void> => {
      await this.#backend.put(name, parts, { signal: this.#signal });
      this.#onStored({ packId, toc, fileBytes });
    };
    const writing = write();
    // The failure is thrown where the next pack, `finish` or `settle` waits for this one.
    writing.catch(() => undefined);
    this.#writing = writing;
  }
}
