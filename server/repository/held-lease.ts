/** A lease held by this process. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { StorageBackend } from './backend.ts';
import type { Lease, LeaseFile, LeaseKind } from './leases.ts';

/** How often a lease is refreshed, ms. */
const refreshMs = 5 * 60_000;
/** How soon a failed refresh is tried again, ms. */
const retryMs = 30_000;
/** Without a refresh for this long the holder gives up, well before others may take the lease for stale, ms. */
const giveUpMs = 20 * 60_000;

/** Rewrites its file every few minutes. A machine that slept too long finds its lease lost when it wakes. */
export class HeldLease implements Lease {
  readonly file: string;
  readonly kind: LeaseKind;
  readonly #backend: StorageBackend;
  readonly #content: Buffer;
  readonly #onRelease: () => void;
  readonly #lost = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #refreshedAt = Date.now();
  #refreshing: Promise<void> | undefined;
  #released: Promise<void> | undefined;

  constructor(backend: StorageBackend, file: string, content: LeaseFile, onRelease: () => void) {
    this.#backend = backend;
    this.file = file;
    this.kind = content.kind;
    this.#content = Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`);
    this.#onRelease = onRelease;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Writes the lease for the first time and begins to refresh it. */
  async write(signal: AbortSignal): Promise<void> {
    this.#refreshedAt = Date.now();
    await this.#backend.put(this.file, [this.#content], { signal, ifAbsent: true });
    this.#schedule(refreshMs);
  }

  async confirm(signal: AbortSignal): Promise<void> {
    const there = await this.#backend.stat(this.file, signal);
    if (there === undefined || this.#expired()) this.#lose();
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason;
  }

  async release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #release(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#refreshing;
    try {
      await this.#backend.delete(this.file);
    } finally {
      this.#onRelease();
    }
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#refreshing = this.#refresh();
    }, delayMs);
    this.#timer.unref();
  }

  #expired(): boolean {
    return this.#lost.signal.aborted || Date.now() - this.#refreshedAt > giveUpMs;
  }

  async #refresh(): Promise<void> {
    const startedAt = Date.now();
    // The storage may hang, and for others the lease is stale all the same.
    this.#timer = setTimeout(() => this.#lose(), giveUpMs - (startedAt - this.#refreshedAt));
    this.#timer.unref();
    try {
      if (this.#expired() || (await this.#backend.stat(this.file)) === undefined) {
        this.#lose();
        return;
      }
      await this.#backend.put(this.file, [this.#content]);
      // After so long somebody may have removed it, and this has only made a new file of its name.
      if (this.#expired()) {
        this.#lose();
        return;
      }
      this.#refreshedAt = startedAt;
      if (this.#released === undefined) this.#schedule(refreshMs);
    } catch {
      // The storage may come back; when it does not in time, the lease is lost and says so.
      if (this.#expired()) this.#lose();
      else if (this.#released === undefined) this.#schedule(retryMs);
    }
  }

  #lose(): void {
    clearTimeout(this.#timer);
    if (this.#lost.signal.aborted) return;
    this.#lost.abort(
      new TidemarkError(errorCodes.leaseLost, 'The lease on the repository was lost: it was not refreshed in time.', {
        hint: 'Run the backup again. A machine that slept, or a storage that did not answer, is the usual reason.',
      }),
    );
  }
}
