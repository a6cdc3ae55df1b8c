/** Processes by a mark in their environment, which every descendant inherits, detached ones too. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { systemCode } from '../../../server/base/files.ts';

/** A process and its command line, words parted by spaces. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It ended meanwhile, or is another user's.
    return '';
  }
}

/** Every process with `name=value` in the environment it was started with. */
export function processesWith(name: string, value: string): readonly FoundProcess[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && read(pid, 'environ').split('\0').includes(`${name}=${value}`))
    .map((pid) => ({ pid: Number(pid), command: read(pid, 'cmdline').replaceAll('\0', ' ').trim() }));
}

/** Sends a signal; a process that is gone is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

/** Ends what `list` finds, in order first and by force when a second was not enough. */
export async function endAll(list: () => readonly FoundProcess[]): Promise<void> {
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    for (const { pid } of list()) signal(pid, name);
    for (let i = 0; i < 20 && list().length > 0; i++) await sleep(50);
  }
}
