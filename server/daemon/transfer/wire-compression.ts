/**
 * Decides whether the agent compresses for the wire. Compressing once, on the daemon's side, costs the least while the
 * link is fast; when workers mostly wait for a slow link, compressed chunks get more of the disk across. What the agent
 * compressed is stored as it is, so nothing is compressed twice.
 */

/** Below this rate of all threads together a link counts as slow (10 Gbit/s Ethernet carries five times as much). */
const slowBytesPerSecond = 220 * 1024 * 1024;
/** A worker that waits for more than this share of its time is held up by link or host, not by its own work. */
const waitingShare = 0.5;

/** Watches finished parts. Once wanted, compression stays on for the run. */
export class WireCompression {
  readonly #threads: number;
  readonly #log: (text: string) => void;
  #wanted = false;

  constructor(threads: number, log: (text: string) => void) {
    this.#threads = threads;
    this.#log = log;
  }

  /** Whether the next part is to be compressed by the agent. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** A part of `bytes` took `elapsedMs`, of which the worker waited for `waitedMs`. */
  observe(bytes: number, elapsedMs: number, waitedMs: number): void {
    if (this.#wanted || bytes < 4 * 1024 * 1024 || elapsedMs <= 0) return;
    const rate = (bytes / elapsedMs) * 1000 * this.#threads;
    if (rate >= slowBytesPerSecond || waitedMs / elapsedMs < waitingShare) return;
    this.#wanted = true;
    this.#log('The link is slower than the processors: from here on the agent compresses what it sends.');
  }
}
