/** Notices that nobody has needed the daemon for a while. */

/** Looks this many times during the time after which the daemon ends. */
const looks = 20;

/**
 * Calls `onIdle` once when `isNeeded` was false at each look during `idleMs`. A client that comes and goes between two looks must be
 * reported by `touched` changing. The result stops the watch.
 */
export function watchIdle(options: {
  readonly idleMs: number;
  readonly isNeeded: () => boolean;
  /** Counts what came and went. */
  readonly touched: () => number;
  readonly onIdle: () => void;
}): Disposable {
  const { idleMs, isNeeded, touched, onIdle } = options;
  let idle = 0;
  let seen = touched();
  const timer = setInterval(() => {
    const now = touched();
    idle = isNeeded() || now !== seen ? 0 : idle + 1;
    seen = now;
    if (idle < looks) return;
    clearInterval(timer);
    onIdle();
  }, idleMs / looks);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
