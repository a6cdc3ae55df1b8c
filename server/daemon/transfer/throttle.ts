/** Holds a transfer to a rate: a token bucket over the bytes that were read. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Time as a throttle needs it; tests bring their own. */
export interface ThrottleTime {
  /** Ms, never going back. */
  now(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const realTime: ThrottleTime = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
};

/** What may be read at once after a pause, as time at the full rate, ms: enough that short waits of the host are made up for. */
const burstMs = 250;

/**
 * One for all threads of a transfer. Each tells how much it has read and waits for its turn before it reads on; while it waits, its
 * connection fills up and the agent stops reading.
 */
export class Throttle {
  readonly #bytesPerMs: number;
  readonly #time: ThrottleTime;
  /** When what was read so far is paid for. */
  #paidAt: number;

  /** `bytesPerSecond` is at least 1. */
  constructor(bytesPerSecond: number, time: ThrottleTime = realTime) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#time = time;
    this.#paidAt = time.now();
  }

  /** `bytes` were read. Resolves when the next may be, or at once when `signal` is aborted. */
  async spent(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#time.now();
    this.#paidAt = Math.max(this.#paidAt, now - burstMs) + bytes / this.#bytesPerMs;
    const wait = this.#paidAt - now;
    if (wait > 0 && !signal.aborted) await this.#time.sleep(wait, signal);
  }
}
