/** Notices that the data directory is gone: whoever deleted it wanted the daemon gone, and nothing can be recorded any more. */
import { stat } from 'node:fs/promises';

import { systemCode } from '../base/files.ts';

/**
 * Calls `onGone` once when `directory` is not there any more, or another one is in its place; looks every `everyMs`. What cannot be looked at (a
 * network that is away) counts as there. The result stops the watch.
 */
export async function watchFolder(directory: string, everyMs: number, onGone: () => void): Promise<Disposable> {
  const first = await stat(directory, { bigint: true });
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const now = await stat(directory, { bigint: true });
      if (now.ino === first.ino && now.dev === first.dev) return;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') return;
    } finally {
      looking = false;
    }
    clearInterval(timer);
    onGone();
  };
  const timer = setInterval(() => void look(), everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
