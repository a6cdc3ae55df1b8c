/** The wall clock and its timers, as the scheduler and runs of policies use them: tests bring one that runs a year in seconds. */
import { throwIfAborted } from '../../protocol/errors.ts';

/** A wall clock, which may be set and may stand still while the machine sleeps. */
export interface Clock {
  /** Ms since 1970, UTC. */
  now(): number;
  /** Calls `callback` once after `ms`, unless the result is disposed before. */
  setTimer(ms: number, callback: () => void): Disposable;
}

/** The machine's clock. Its timers do not keep the process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Longest timer, ms. Node's own are late by the time that the machine slept, and end after 24 days. */
export const longestTimerMs = 60_000;

/** Resolves when the clock has gone on by `ms`. A clock that is set back does not make it longer. Throws the signal's reason. */
export async function waitFor(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  let left = ms;
  let before = clock.now();
  while (left > 0) {
    await sleep(clock, Math.min(left, longestTimerMs), signal);
    const now = clock.now();
    // A clock that stands or goes back: the timer itself says how much has passed.
    left -= now > before ? now - before : Math.min(left, longestTimerMs);
    before = now;
  }
  throwIfAborted(signal);
}

async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const over = Promise.withResolvers<void>();
  const onAbort = (): void => over.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  const running = clock.setTimer(ms, over.resolve);
  await over.promise;
  running[Symbol.dispose]();
  signal.removeEventListener('abort', onAbort);
  throwIfAborted(signal);
}
