/** Time, given from outside, so that tests can say how late it is. */
export interface Clock {
  /** Milliseconds; only differences mean something. */
  now(): number;
  /** Calls `callback` once after `ms` milliseconds, unless the returned function was called before. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
