/** Processes that serve until they are ended. */
import type { ChildProcess } from 'node:child_process';

import { ended } from './command.ts';

/** Waits until a process has printed what matches, and gives the first group. */
export async function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const read = (data: Buffer): void => {
      text += data.toString();
      const match = pattern.exec(text);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`It ended with ${code} after printing: ${text}`)));
  });
}

/** Ends a process and waits for its end. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = ended(child);
  child.kill(signal);
  await closed;
}
