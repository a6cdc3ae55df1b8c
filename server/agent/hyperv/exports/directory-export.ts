/**
 * The way round for disks that the agent cannot open itself: Hyper-V exports the checkpoint into a folder (`ExportSystemDefinition`), and the copies are read.
 * It needs the room of a full copy on the host for as long as the backup runs.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, opendir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { readJsonFile, systemCode, writeFileDurably } from '../../../base/files.ts';
import { formatBytes } from '../../../base/format.ts';
import type { Logger } from '../../../base/log.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { CheckpointId, DiskId } from '../../../protocol/ids.ts';
import { object, string } from '../../../protocol/parse.ts';
import { openVirtualDisk } from '../../../vhdx/index.ts';
import type { VirtualDisk } from '../../../vhdx/index.ts';
import { settle, uncancelled } from '../calls/calls.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getVirtualDisk, startExport, stopJob } from '../commands/index.ts';
import { openFrozenDisk } from './frozen-disks.ts';
import type { CheckpointDisk } from './frozen-disks.ts';
import { isHostPath, mayBeParent, pathKey } from '../paths.ts';
import type { StepHook } from '../steps.ts';

/** Files of an export that are looked at, and folders below each other: Hyper-V makes two levels. */
const maxFiles = 4096;
const maxDepth = 4;
/** Hyper-V allows 50 checkpoints; each adds a file to the chain. */
const maxChain = 128;
/** Room that an export leaves free, in bytes. */
const reserveBytes = 1024 ** 3;
const exportsFolder = 'exports';
const jobFile = 'job.json';
const jobRecord = object({ jobId: string({ maxLength: 256 }) });
const ownFolder = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What is exported. */
export interface DirectoryExportRequest {
  readonly checkpointId: CheckpointId;
  readonly disks: readonly CheckpointDisk[];
  readonly excluded: readonly CheckpointDisk[];
}

/** What exports need of the host. */
export interface DirectoryExportHost {
  readonly calls: HypervCalls;
  readonly log: Logger;
  /** Folder of the agent's own state; exports go into a folder of it. */
  readonly stateDirectory: string;
  /** Whether this build can leave disks out of an export (`ExcludedVirtualHardDisks`, not on Server 2016). */
  canExclude(signal: AbortSignal): Promise<boolean>;
  readonly step: StepHook;
}

/** An export that is there: its disks, open. */
export interface DirectoryExport {
  readonly disks: ReadonlyMap<DiskId, VirtualDisk>;
  readonly warnings: readonly string[];
  /** Closes the disks and removes the folder. */
  readonly remove: () => Promise<void>;
}

/** Exports a checkpoint and opens the copies. On a failure nothing is left. Throws `TM2115` without room for it, `TM2199` for an export that lacks a disk. */
export async function exportToDirectory(
  request: DirectoryExportRequest,
  host: DirectoryExportHost,
  options: { readonly signal: AbortSignal; readonly progress: (percent: number) => void },
): Promise<DirectoryExport> {
  const { signal } = options;
  const canExclude = await host.canExclude(signal);
  const folder = join(host.stateDirectory, exportsFolder, randomUUID());
  const directory = join(folder, 'files');
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeFolder(folder));
  await mkdir(directory, { recursive: true });
  await checkSpace(folder, canExclude ? request.disks : [...request.disks, ...request.excluded], host.calls, signal);
  host.step('export:folder');
  const ExcludedDisk = request.excluded.map(({ attached }) => attached.instanceId);
  // What is begun must be known, so that it can be ended: only the waiting is cancelled.
  const outcome = await host.calls.invoke(
    startExport,
    {
      CheckpointId: request.checkpointId,
      Directory: directory,
      CopyStorage: true,
      ...(canExclude && ExcludedDisk.length > 0 ? { ExcludedDisk } : {}),
    },
    uncancelled,
  );
  // Nothing is removed while Hyper-V still writes there.
  let running = true;
  undo.defer(async () => (running ? settle(host.calls, host.log, outcome) : undefined));
  if (outcome.state === 'started') {
    await writeFileDurably(join(folder, jobFile), JSON.stringify({ jobId: outcome.jobId }));
  }
  host.step('export:job');
  await host.calls.finish(outcome, options);
  running = false;
  const files = await diskFiles(directory);
  const disks = await openCopies(files, request.disks, undo);
  const dropped = await dropUnused(files, disks.values());
  host.step('export:copied');
  const opened = undo.move();
  return {
    disks,
    warnings: dropped === 0 ? [] : [droppedWarning(request.excluded, dropped)],
    remove: () => opened.disposeAsync(),
  };
}

/** Removes what exports of an agent that died left, and ends their jobs. Gives lines for the log. */
export async function recoverDirectoryExports(
  host: Pick<DirectoryExportHost, 'calls' | 'stateDirectory' | 'log'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const name of await namesIn(join(host.stateDirectory, exportsFolder))) {
    if (!ownFolder.test(name)) continue;
    const folder = join(host.stateDirectory, exportsFolder, name);
    try {
      const record = await readJsonFile(join(folder, jobFile), jobRecord);
      if (record !== undefined) {
        await host.calls.invoke(stopJob, { JobId: record.jobId }, signal);
        await settle(host.calls, host.log, { state: 'started', jobId: record.jobId });
      }
      await removeFolder(folder);
      lines.push(`Removed the export ${name} that an earlier agent left.`);
    } catch (error) {
      lines.push(`The export ${folder} of an earlier agent could not be removed: ${TidemarkError.from(error).message}`);
    }
  }
  return lines;
}

async function removeFolder(folder: string): Promise<void> {
  // Hyper-V may let go of its files a moment after its job ended.
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(folder)) names.push(entry.name);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  return names;
}

/** Throws `TM2115` unless the volume of `folder` has room for copies of the disks. */
async function checkSpace(
  folder: string,
  disks: readonly CheckpointDisk[],
  calls: HypervCalls,
  signal: AbortSignal,
): Promise<void> {
  let needed = reserveBytes;
  for (const { attached, frozen } of disks) {
    needed += Math.min(frozen.sizeBytes, await chainBytes(attached.path, calls, signal));
  }
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  throw new TidemarkError(
    errorCodes.hostDiskFull,
    `An export of this checkpoint may need ${formatBytes(needed)} in ${folder}, and only ${formatBytes(bavail * bsize)} are free there.`,
    {
      hint: 'Make space on that volume, or find out which program keeps the disks of the VM from being read directly.',
    },
  );
}

/** What the files of a chain take together, as far as Hyper-V can say it; infinite when it cannot. */
async function chainBytes(path: string, calls: HypervCalls, signal: AbortSignal): Promise<number> {
  const files = await filesOfChain(path, calls, signal);
  if (files === undefined) return Infinity;
  let bytes = 0;
  for (const file of files) bytes += await fileBytes(file);
  return bytes;
}

/** The files of a chain as Hyper-V describes them, the top first; undefined when it cannot. */
export async function filesOfChain(
  path: string,
  calls: HypervCalls,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (!isHostPath(path, 'disk')) return undefined;
  const files = [path];
  for (let next = path; files.length <= maxChain; files.push(next)) {
    const { disks } = await calls.invoke(getVirtualDisk, { Path: [next] }, signal);
    const facts = disks[0]?.disk;
    if (facts === undefined || facts === null) return undefined;
    if (facts.parentPath === '') return files;
    if (!mayBeParent(facts.parentPath, next)) return undefined;
    next = facts.parentPath;
  }
  return undefined;
}

async function fileBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return Infinity;
  }
}

/** The disk files below a folder. Links are not followed. */
async function diskFiles(folder: string, depth = 0): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < maxDepth) files.push(...(await diskFiles(path, depth + 1)));
    if (entry.isFile() && isHostPath(path, 'disk')) files.push(path);
    if (files.length > maxFiles) throw brokenExport(`it has more than ${maxFiles} disk files`);
  }
  return files;
}

/** Opens the copy of each disk: told apart by VirtualDiskId, an old VHD by its name; of the files of one chain the one that is no parent. */
async function openCopies(
  files: readonly string[],
  wanted: readonly CheckpointDisk[],
  undo: AsyncDisposableStack,
): Promise<ReadonlyMap<DiskId, VirtualDisk>> {
  const parents = new Set<string>();
  const idOf = new Map<string, DiskId | undefined>();
  for (const file of files) {
    await using disk = await openVirtualDisk(file, { mayBeParent });
    idOf.set(file, disk.top.diskId);
    for (const layer of disk.layers.slice(1)) parents.add(pathKey(layer.file.path));
  }
  const opened = new Map<DiskId, VirtualDisk>();
  for (const { attached, frozen } of wanted) {
    const stem = attached.path
      .replace(/^.*[\\/]/s, '')
      .replace(/\.[^.]*$/, '')
      .toLowerCase();
    const fits: string[] = [];
    for (const [file, id] of idOf) {
      if (parents.has(pathKey(await realpath(file)))) continue;
      const name = file.replace(/^.*[\\/]/s, '').toLowerCase();
      if (id === undefined ? name === `${stem}${extname(name)}` : id === frozen.id) fits.push(file);
    }
    const [file] = fits;
    if (file === undefined || fits.length > 1)
      throw brokenExport(`it has ${fits.length} copies of the disk ${frozen.name}`);
    const disk = await openFrozenDisk(file, frozen);
    undo.defer(() => disk.close());
    opened.set(frozen.id, disk);
  }
  return opened;
}

/** Deletes copies that no opened disk reads: Server 2016 copies excluded disks too. Returns their bytes. */
async function dropUnused(files: readonly string[], disks: Iterable<VirtualDisk>): Promise<number> {
  const used = new Set<string>();
  for (const { layers } of disks) for (const { file } of layers) used.add(pathKey(await realpath(file.path)));
  let bytes = 0;
  for (const file of files) {
    if (used.has(pathKey(await realpath(file)))) continue;
    bytes += (await stat(file)).size;
    await rm(file);
  }
  return bytes;
}

function droppedWarning(excluded: readonly CheckpointDisk[], bytes: number): string {
  const names = excluded.map(({ frozen }) => frozen.name).join(', ');
  return `This host cannot exclude disks from an export: ${names} (${formatBytes(bytes)}) was copied on the host and then deleted.`;
}

function brokenExport(what: string): TidemarkError {
  return new TidemarkError(errorCodes.agentFailed, `The export that Hyper-V made cannot be used: ${what}.`, {
    hint: "Run the backup again. The agent's log and the Hyper-V event logs of the host have the details.",
  });
}
