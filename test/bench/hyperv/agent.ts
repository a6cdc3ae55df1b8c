/**
 * The provider in a process of its own: `node --expose-gc agent.ts ROOT STATE_FOLDER CYCLES EVERY [--one-session]` backs a VM up again and again,
 * and prints a line of JSON with what the processes hold every so many cycles. PowerShell and the fake come from the environment.
 */
import { readdir, readFile } from 'node:fs/promises';

import { createHyperVProvider } from '../../../server/agent/hyperv/index.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { startShell } from '../../../server/agent/hyperv/powershell/shell.ts';
import type { Shell } from '../../../server/agent/hyperv/powershell/shell.ts';
import { silentLogger } from '../../../server/base/log.ts';
import type { ReferencePoint } from '../../../server/protocol/model.ts';
import { backUp } from './cycle.ts';
import type { Sample } from './memory.ts';

const never = new AbortController().signal;
const [root = '', stateFolder = '', cycleText = '', everyText = '', ...options] = process.argv.slice(2);
const cycles = Number(cycleText);
const every = Number(everyText);
const shells = new Set<Shell>();
let sessions = 0;

const powershell = createPowerShell(
  // One that is never replaced shows what a session itself piles up.
  { log: silentLogger, ...(options.includes('--one-session') && { maxSessions: 1, maxInvocations: Infinity }) },
  (executable, environment) => {
    const shell = startShell(executable, environment);
    shells.add(shell);
    sessions += 1;
    void shell.ended.then(() => shells.delete(shell));
    return shell;
  },
);

/** Resident bytes of a process (proc(5), `VmRSS`); 0 when it is gone. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** Bytes that .NET holds after a collection. Only between two requests. */
async function managedBytes(shell: Shell): Promise<number> {
  const { stdout } = await shell.run('[GC]::Collect(); [GC]::WaitForPendingFinalizers(); [GC]::GetTotalMemory($true)');
  return Number(stdout.trim());
}

async function sample(cycle: number): Promise<Sample> {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const handles = (await readdir('/proc/self/fd')).length;
  const powershells = [];
  for (const shell of shells) {
    const pid = shell.processId ?? 0;
    powershells.push({ pid, managedBytes: await managedBytes(shell), residentBytes: await residentBytes(pid) });
  }
  const { rss: agentBytes } = process.memoryUsage();
  return { cycle, agentBytes, heapBytes: heapUsed + external, handles, sessions, powershells };
}

const provider = createHyperVProvider({ stateFolder, powershell, log: silentLogger });
await provider.recover(never);
const [vm] = await provider.listVms(never);
if (vm === undefined) throw new Error('The host has no VM.');
let point: ReferencePoint | undefined;
for (let cycle = 1; cycle <= cycles; cycle++) {
  point = await backUp(provider, root, vm, cycle, point);
  if (cycle % every === 0) console.log(JSON.stringify(await sample(cycle)));
}
await provider[Symbol.asyncDispose]();
await powershell[Symbol.asyncDispose]();
