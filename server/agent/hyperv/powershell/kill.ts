/** Ends a process and what it started. */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { win32 } from 'node:path';

import { windowsFolder } from './executable.ts';

/** Milliseconds that `taskkill` may take. */
const taskkillMs = 5_000;

/** Runs a program to its end, however that is. */
type Run = (file: string, args: readonly string[]) => Promise<void>;

const runBriefly: Run = async (file, args) => {
  await new Promise<void>((resolve) => {
    execFile(file, args, { timeout: taskkillMs, windowsHide: true }, () => resolve());
  });
};

/** Kills `child`; on Windows with all its descendants, since a killed parent leaves them running there. Never throws. */
export async function killTree(
  child: ChildProcess,
  platform: NodeJS.Platform = process.platform,
  run: Run = runBriefly,
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (platform === 'win32') {
    const file = win32.join(windowsFolder(process.env), 'System32', 'taskkill.exe');
    await run(file, ['/PID', String(child.pid), '/T', '/F']);
  }
  child.kill('SIGKILL');
}
