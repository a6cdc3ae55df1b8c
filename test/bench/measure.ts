/** Measures commands and long-lived processes: wall time, CPU seconds, peak memory. Linux only, from `/proc` and GNU time. */
import { spawn } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';

/** What one operation cost. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of every process that took part. */
  readonly cpuSeconds: number;
  /** Largest resident set of the processes that took part, added up, bytes. */
  readonly peakBytes: number;
}

const clockTicks = 100;

/** CPU seconds so far of a process and its ended children (proc(5), fields 14 to 17 of `stat`). */
async function cpuSeconds(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) / clockTicks;
}

/** Peak resident set of a process, bytes (`VmHWM`). */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** Starts the peak of a process anew (proc(5), `clear_refs` value 5). */
async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}

/** Runs a command to its end; `daemons` are the processes that do its work. Throws with its output when it fails. */
export async function measure(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly daemons?: readonly number[] } = {},
): Promise<Cost & { readonly stdout: string }> {
  const daemons = options.daemons ?? [];
  await Promise.all(daemons.map(resetPeak));
  const before = await Promise.all(daemons.map(cpuSeconds));
  const started = performance.now();
  const child = spawn('/usr/bin/time', ['-f', 'TIDEMARK-COST %U %S %M', command, ...args], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const wallSeconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output.stderr}${output.stdout}`);
  const match = /TIDEMARK-COST ([\d.]+) ([\d.]+) (\d+)/.exec(output.stderr);
  const after = await Promise.all(daemons.map(cpuSeconds));
  const peaks = await Promise.all(daemons.map(peakBytes));
  const own = Number(match?.[1] ?? 0) + Number(match?.[2] ?? 0);
  return {
    wallSeconds,
    cpuSeconds: own + after.reduce((sum, value, index) => sum + value - (before[index] ?? 0), 0),
    peakBytes: daemons.length === 0 ? Number(match?.[3] ?? 0) * 1024 : peaks.reduce((sum, value) => sum + value, 0),
    stdout: output.stdout,
  };
}

/** Bytes of all files in a folder. */
export async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) total += (await stat(`${entry.parentPath}/${entry.name}`)).size;
  }
  return total;
}

/** The pid of the process that has `text` in its command line. */
export async function pidOf(text: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.replaceAll('\0', ' ').includes(text)) return Number(entry);
  }
  throw new Error(`no process with ${text}`);
}
