/** Runs programs: the built `tidemark` command as users have it, and the tools of others that judge it. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { errorReport } from '../../../../server/protocol/model.ts';
import { json, object } from '../../../../server/protocol/parse.ts';
import type { ErrorReport } from '../../../../server/protocol/errors.ts';
import { errorFromReport } from '../../../../server/protocol/errors.ts';

const script = fileURLToPath(new URL('../../../../bin/tidemark.mjs', import.meta.url));
const bundle = fileURLToPath(new URL('../../../../dist/server/tidemark.js', import.meta.url));
const longestMs = 120_000;

/** Mkfs and its kind lie where ordinary users do not look. */
const toolPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** A program that has ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line of `tidemark` with arguments. */
export function tidemarkCommand(args: readonly string[]): readonly [string, readonly string[]] {
  if (!existsSync(bundle)) throw new Error('The checkout is not built. Run: npm run build');
  return [process.execPath, [script, ...args]];
}

/** Starts `tidemark`; the caller ends it. */
export function startTidemark(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const [command, all] = tidemarkCommand(args);
  return spawn(command, all, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs `tidemark` to its end. */
export async function tidemark(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(startTidemark(args, env));
}

/** Waits for the end of a process and collects what it prints. One that does not end is killed. */
export async function ended(child: ChildProcess, patienceMs = longestMs): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (data: Buffer) => out.push(data));
  child.stderr?.on('data', (data: Buffer) => err.push(data));
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
      });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** What a command of ours that failed with `--json` said. */
export function reportedError(result: Ended): ErrorReport {
  const line = result.stderr.trim().split('\n').at(-1) ?? '';
  const { error } = json(line, object({ error: errorReport }), 'stderr');
  return errorFromReport(error).report();
}

/** Whether a tool is installed. */
export function hasTool(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { env: { ...process.env, PATH: toolPath } }).status === 0;
}

/** Runs a tool and gives what it prints; throws when it fails. */
export async function tool(name: string, args: readonly string[]): Promise<string> {
  const result = await ended(
    spawn(name, args, { env: { ...process.env, PATH: toolPath }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  if (result.code === 0) return result.stdout;
  throw new Error(`${name} ${args.join(' ')} ended with ${result.code}: ${result.stdout}${result.stderr}`);
}
