/** Whether agent and PowerShell hold the same memory after many backups as after a few. Linux only, from `/proc`. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { array, integer, json, object } from '../../../server/protocol/parse.ts';
import type { Parsed } from '../../../server/protocol/parse.ts';
import { testPowerShell } from '../../support/hyperv/pwsh.ts';
import type { BenchSite } from './site.ts';

const bytes = integer(0, Number.MAX_SAFE_INTEGER);
const sample = object({
  /** Backups so far. */
  cycle: integer(0, 1_000_000),
  /** Resident set of the agent. */
  agentBytes: bytes,
  /** Its heap and buffers after a collection. */
  heapBytes: bytes,
  /** Its open files, sockets and pipes. */
  handles: integer(0, 1_000_000),
  /** Sessions that were started so far. */
  sessions: integer(0, 1_000_000),
  powershells: array(object({ pid: integer(0, 4_194_304), managedBytes: bytes, residentBytes: bytes })),
});

/** What the processes held at one time. */
export type Sample = Parsed<typeof sample>;

/** Backs the VM of the site up so often, by an agent in a process of its own. `told` gets each sample. */
export async function backUps(
  site: BenchSite,
  options: { readonly cycles: number; readonly every: number; readonly oneSession?: boolean },
  told: (sample: Sample) => void = () => undefined,
): Promise<readonly Sample[]> {
  const { executable, environment } = await testPowerShell();
  const agent = new URL('agent.ts', import.meta.url).pathname;
  const given = [site.root, `${site.directory}/state`, String(options.cycles), String(options.every)];
  const child = spawn(
    process.execPath,
    // Throwing compiled code away makes the heap smaller by megabytes, at any time.
    ['--expose-gc', '--no-flush-bytecode', agent, ...given, ...(options.oneSession === true ? ['--one-session'] : [])],
    {
      env: { ...process.env, ...environment, NODE_POWERSHELL: executable, TIDEMARK_FAKE_HYPERV: site.address },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  const samples: Sample[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const found = json(line, sample, 'sample');
    samples.push(found);
    told(found);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`The agent ended with ${code}.`);
  return samples;
}

/** The middle one; 0 of none. */
export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** The median of what `of` gives for the samples after the cycle `from` up to `to`. */
export function medianOf(samples: readonly Sample[], from: number, to: number, of: (one: Sample) => number): number {
  return median(samples.filter(({ cycle }) => cycle > from && cycle <= to).map(of));
}

/** Bytes of all sessions together. */
export const sessionBytes = ({ powershells }: Sample): number =>
  powershells.reduce((sum, one) => sum + one.residentBytes, 0);

/** Bytes that .NET holds in all sessions together. */
export const managedBytes = ({ powershells }: Sample): number =>
  powershells.reduce((sum, one) => sum + one.managedBytes, 0);
