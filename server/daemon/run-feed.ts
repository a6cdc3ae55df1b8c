/** Sends run updates to one client at the client's own pace: per run only the newest state waits, so a client that stalls costs nothing. */
import type { RunInfo } from '../protocol/daemon.ts';
import type { RunId } from '../protocol/ids.ts';

/** Runs whose newest state may wait for one client. One that has not read for so long is not looking any more. */
const maxWaiting = 1024;

/** The subscriptions of one connection. */
export class RunFeed {
  /** Resolves when the client's socket has taken the update. */
  readonly #send: (run: RunInfo) => Promise<void>;
  /** Called once when the client reads so slowly that it must be given up. */
  readonly #onStalled: () => void;
  #all = false;
  readonly #runs = new Set<RunId>();
  /** The newest state of each run that waits to be sent. */
  readonly #waiting = new Map<RunId, RunInfo>();
  #sending = false;
  #closed = false;

  constructor(send: (run: RunInfo) => Promise<void>, onStalled: () => void) {
    this.#send = send;
    this.#onStalled = onStalled;
  }

  /** From now on updates of that run, or of all runs, are sent. */
  subscribe(id: RunId | undefined): void {
    if (id === undefined) this.#all = true;
    else this.#runs.add(id);
  }

  /** Takes an update; sends it when the client is ready for it, unless a newer one replaces it before. */
  push(run: RunInfo): void {
    if (this.#closed || !(this.#all || this.#runs.has(run.id))) return;
    this.#waiting.set(run.id, run);
    if (this.#waiting.size > maxWaiting) {
      this.close();
      this.#onStalled();
      return;
    }
    if (!this.#sending) void this.#drain();
  }

  /** Runs whose newest state the client has not got. */
  get waiting(): number {
    return this.#waiting.size;
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    try {
      for (;;) {
        const [next] = this.#waiting.values();
        if (next === undefined) return;
        this.#waiting.delete(next.id);
        await this.#send(next);
      }
    } catch {
      // The connection is gone; its end is handled where it is owned.
      this.close();
    } finally {
      this.#sending = false;
    }
  }
}
