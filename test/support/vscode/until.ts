/** Waiting for what has no element in the page. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until what `read` gives passes `check`, and gives it; fails with what it gave last. */
export async function until<T>(
  read: () => T | Promise<T>,
  check: (value: T) => boolean,
  timeoutMs = 20_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (check(value)) return value;
    if (performance.now() > end) throw new Error(`Still ${JSON.stringify(value)} after ${timeoutMs} ms.`);
    await sleep(50);
  }
}
