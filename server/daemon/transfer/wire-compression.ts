/**
 * Decides whether the agent compresses for the wire. Compressing once, on the daemon's side, costs the least while the
 * link is fast; when workers mostly wait for a slow link, compressed chunks get more of the disk across. What the agent
 * compressed is stored as it is, so nothing is compressed twice.
 */
import { IdleProcessors } from '../../base/idle-processors.ts';

/** Below this rate of all threads together a link counts as slow (10 Gbit/s Ethernet carries five times as much). */
const slowBytesPerSecond = 220 * 1024 * 1024;
/** A worker that waits for more than this share of its time is held up by link or host, not by its own work. */
const waitingShare = 0.5;
/** Where less than this share of the processors is idle, workers wait for a processor, and more work would make it worse. */
const idleShare = 0.2;
/** Slow parts in a row, at least: one may have waited for a disk. */
const slowParts = 2;

/** Watches finished parts. Once wanted, compression stays on for the run. */
export class WireCompression {
  readonly #threads: number;
  readonly #log: (text: string) => void;
  readonly #processors: Pick<IdleProcessors, 'share'>;
  #slow = 0;

  constructor(
    threads: number,
    log: (text: string) => void,
    processors: Pick<IdleProcessors, 'share'> = new IdleProcessors(),
  ) {
    this.#threads = threads;
    this.#log = log;
    this.#processors = processors;
  }

  /** Whether the next part is to be compressed by the agent. */
  get wanted(): boolean {
    return this.#slow >= slowParts;
  }

  /** A part of `bytes` took `elapsedMs`, of which the worker waited for `waitedMs`. */
  observe(bytes: number, elapsedMs: number, waitedMs: number): void {
    if (this.wanted || bytes < 4 * 1024 * 1024 || elapsedMs <= 0) return;
    const rate = (bytes / elapsedMs) * 1000 * this.#threads;
    const slow =
      rate < slowBytesPerSecond && waitedMs / elapsedMs >= waitingShare && this.#processors.share() >= idleShare;
    this.#slow = slow ? this.#slow + 1 : 0;
    if (this.wanted)
      this.#log('The link is slower than the processors: from here on the agent compresses what it sends.');
  }
}
