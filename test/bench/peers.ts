/** The peers: restic and borg with fixed chunks, driven as their manuals say, on the very file that Tidemark's disk was made of. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';

import { folderBytes, measure } from './measure.ts';
import type { Cost } from './measure.ts';

/** What a tool did on one image. `stored` is what its repository grew by, bytes. */
export interface ToolResult {
  readonly tool: string;
  readonly version: string;
  readonly full: Cost & { readonly stored: number };
  readonly incremental: Cost & { readonly stored: number };
  readonly restore?: Cost;
  readonly verify?: Cost;
}

/** Swaps the content of the disk file from base to changed, as the guest would between two backups. */
export type ApplyChanges = () => Promise<void>;

/** Whether a command is on the PATH. */
export function available(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs restic: `disk` is a raw file in `folder`; the caller puts the base content there before. */
export async function benchRestic(
  folder: string,
  disk: string,
  changes: ApplyChanges,
  whole: boolean,
): Promise<ToolResult> {
  const repository = `${folder}/restic`;
  const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: `${folder}/restic-cache` };
  const restic = async (...args: readonly string[]): Promise<Cost> =>
    measure('restic', ['-q', '-r', repository, ...args], { env });
  await restic('init', '--repository-version', '2');
  const full = await restic('backup', '--compression', 'auto', disk);
  const fullBytes = await folderBytes(repository);
  await changes();
  const incremental = await restic('backup', '--compression', 'auto', disk);
  const bytes = await folderBytes(repository);
  const result = {
    tool: 'restic',
    version: execFileSync('restic', ['version'], { encoding: 'utf8' }).split(' ').slice(0, 2).join(' '),
    full: { ...full, stored: fullBytes },
    incremental: { ...incremental, stored: bytes - fullBytes },
  };
  if (!whole) return result;
  const out = `${folder}/restic-out`;
  const restore = await restic('restore', 'latest', '--target', out);
  await rm(out, { recursive: true });
  const verify = await restic('check', '--read-data');
  return { ...result, restore, verify };
}

/** Runs borg with fixed chunks of 1 MiB. */
export async function benchBorg(
  folder: string,
  disk: string,
  changes: ApplyChanges,
  whole: boolean,
): Promise<ToolResult> {
  const repository = `${folder}/borg`;
  const env = { BORG_PASSPHRASE: 'bench', BORG_BASE_DIR: `${folder}/borg-base` };
  const borg = async (...args: readonly string[]): Promise<Cost> =>
    measure('borg', args, { env, cwd: `${folder}/out` });
  await mkdir(`${folder}/out`, { recursive: true });
  await borg('init', '-e', 'repokey-blake2', repository);
  const create = ['create', '--compression', 'zstd,1', '--chunker-params', 'fixed,1048576'] as const;
  const full = await borg(...create, `${repository}::full`, disk);
  const fullBytes = await folderBytes(repository);
  await changes();
  const incremental = await borg(...create, `${repository}::incr`, disk);
  const bytes = await folderBytes(repository);
  const result = {
    tool: 'borg (fixed 1 MiB)',
    version: execFileSync('borg', ['--version'], { encoding: 'utf8' }).trim(),
    full: { ...full, stored: fullBytes },
    incremental: { ...incremental, stored: bytes - fullBytes },
  };
  if (!whole) return result;
  const restore = await borg('extract', `${repository}::incr`);
  await rm(`${folder}/out`, { recursive: true });
  await mkdir(`${folder}/out`);
  const verify = await borg('check', '--verify-data', repository);
  return { ...result, restore, verify };
}
