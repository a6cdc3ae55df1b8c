/** A storage for tests of the repository: a directory with a clock of its own, which can die at any call. */
import { openLocalBackend } from '../../../server/repository/local-backend.ts';
import type { GetOptions, PutOptions, StorageBackend, StoredFile } from '../../../server/repository/backend.ts';

/** What every call throws once the storage died. */
export class Died extends Error {}

/** Passes everything on to the directory at `location`. */
export class TestStorage implements StorageBackend {
  readonly location: string;
  /** How far this storage's clock is ahead of the machine's, ms. */
  aheadMs = 0;
  /** Calls that change something so far. */
  changes = 0;
  /** The change that does not happen any more, nor anything after it. */
  dieAt = Infinity;
  /** Whether the last change still happens and only its caller does not hear of it. */
  dieAfterwards = false;
  /** Called before each change: a place for others to act at that moment. */
  onChange: ((what: string) => Promise<void>) | undefined;
  readonly #backend: StorageBackend;
  /** How far ahead the clock was when a file was written. */
  readonly #writtenAhead = new Map<string, number>();

  constructor(location: string) {
    this.location = location;
    this.#backend = openLocalBackend(location);
  }

  async put(name: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void> {
    await this.#change(`put ${name}`, async () => {
      await this.#backend.put(name, parts, options);
      this.#writtenAhead.set(name, this.aheadMs);
    });
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await this.#change(`delete ${name}`, async () => this.#backend.delete(name, signal));
  }

  async get(name: string, options?: GetOptions): Promise<Uint8Array> {
    this.#live();
    return this.#backend.get(name, options);
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredFile> {
    this.#live();
    for await (const file of this.#backend.list(prefix, signal)) yield this.#shifted(file);
  }

  async *listUnfinished(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredFile> {
    this.#live();
    for await (const file of this.#backend.listUnfinished(prefix, signal)) yield this.#shifted(file);
  }

  async stat(name: string, signal?: AbortSignal): Promise<StoredFile | undefined> {
    this.#live();
    const file = await this.#backend.stat(name, signal);
    return file === undefined ? undefined : this.#shifted(file);
  }

  async freeBytes(): Promise<number | null> {
    this.#live();
    return this.#backend.freeBytes();
  }

  async now(): Promise<number> {
    this.#live();
    return Math.round((await this.#backend.now()) + this.aheadMs);
  }

  async #change(what: string, act: () => Promise<void>): Promise<void> {
    this.#live();
    this.changes += 1;
    if (this.changes < this.dieAt) {
      await this.onChange?.(what);
      await act();
      return;
    }
    if (this.changes === this.dieAt && this.dieAfterwards) await act();
    throw new Died(what);
  }

  #live(): void {
    if (this.changes >= this.dieAt) throw new Died();
  }

  #shifted(file: StoredFile): StoredFile {
    return { ...file, modifiedMs: file.modifiedMs + (this.#writtenAhead.get(file.name) ?? 0) };
  }
}
