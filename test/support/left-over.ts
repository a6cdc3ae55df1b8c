/**
 * `node left-over.ts NAME VALUE`: fails when a process that a test has started, by whatever detours, still runs after the tests. Such a
 * process has NAME=VALUE in its environment. It is ended, and named.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { endAll, processesWith } from './vscode/processes.ts';

/** A daemon that was told to stop may still be at it. */
const patienceMs = 5000;
const lookEveryMs = 100;

const [name = '', value = ''] = process.argv.slice(2);
// This process has the mark too.
const list = () => processesWith(name, value).filter(({ pid }) => pid !== process.pid);
if (process.platform === 'linux') {
  for (let waited = 0; waited < patienceMs && list().length > 0; waited += lookEveryMs) await sleep(lookEveryMs);
  const left = list();
  if (left.length > 0) {
    console.error('The tests left processes behind:');
    for (const { pid, command } of left) console.error(`  ${pid}  ${command}`);
    await endAll(list);
    process.exitCode = 1;
  }
}
