/** Ends a process and what it started. */
import { execFile } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { win32 } from 'node:path';

import { windowsFolder } from './executable.ts';

/** Milliseconds that `taskkill` may take. */
const taskkillMs = 5_000;

/** Kills `child`; on Windows with all its descendants, since a killed parent leaves them running there. Never throws. */
export async function killTree(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (process.platform === 'win32') await taskkill(child.pid);
  child.kill('SIGKILL');
}

async function taskkill(pid: number): Promise<void> {
  const file = win32.join(windowsFolder(process.env), 'System32', 'taskkill.exe');
  await new Promise<void>((resolve) => {
    execFile(file, ['/PID', String(pid), '/T', '/F'], { timeout: taskkillMs, windowsHide: true }, () => resolve());
  });
}
