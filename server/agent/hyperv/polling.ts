/** Looking again and again at something that changes by itself. */
import { pause } from '../work-progress.ts';

/** The first pause between two looks, in milliseconds; each is twice the one before. */
const firstPollMs = 20;

/** Pauses between looks at something that mostly changes soon, and sometimes late. */
export class Polling {
  readonly #maxMs: number;
  #nextMs: number;

  /** No pause is longer than `maxMs`. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs;
    this.#nextMs = Math.min(firstPollMs, maxMs);
  }

  /** Waits; throws as soon as `signal` is aborted. */
  async pause(signal: AbortSignal): Promise<void> {
    const milliseconds = this.#nextMs;
    this.#nextMs = Math.min(2 * milliseconds, this.#maxMs);
    await pause(milliseconds, signal);
  }
}
