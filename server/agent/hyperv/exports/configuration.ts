/** The configuration of a VM at a checkpoint: a summary, and Hyper-V's own files, read beside VMMS, which keeps them open and lets others read. */
import { open, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';

import { systemCode } from '../../../base/files.ts';
import { formatBytes } from '../../../base/format.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { VmConfiguration } from '../../../protocol/model.ts';
import type { CheckpointConfiguration } from '../commands/index.ts';
import { slotText } from '../inventory/disk-names.ts';
import type { CheckpointDisk } from './frozen-disks.ts';
import { hostPath, isInside } from '../paths.ts';

/** One file, in base64 below the limit of `vmConfiguration` in protocol/model.ts. */
const maxFileBytes = 16 * 1024 * 1024;
/** All of them, in base64 below the largest message of the control connection. */
const maxTotalBytes = 32 * 1024 * 1024;
const maxAdapters = 64;

/** What a restore lacks without a file. */
const lossOf: Readonly<Record<string, string>> = {
  '.vmcx': 'A restore makes the VM anew from the summary of its settings.',
  '.vmrs': 'The saved state and memory of the VM are not in the backup: a restored VM starts as after a power failure.',
  '.vmgs': 'The firmware settings and the virtual TPM are not in the backup: have the BitLocker recovery keys at hand.',
};

/** A configuration as the protocol has it, and what is missing from it. */
export interface GatheredConfiguration {
  readonly configuration: VmConfiguration;
  readonly warnings: readonly string[];
}

/** Generation of a `VirtualSystemSubType`. */
export const generationOf = (subType: string): number => (subType.endsWith(':1') ? 1 : 2);

/** Reads the files and makes the summary. A file that cannot be had is a warning: the disks are worth more. Throws `TM2112` for paths that are not opened. */
export async function gatherConfiguration(
  found: CheckpointConfiguration,
  disks: readonly CheckpointDisk[],
): Promise<GatheredConfiguration> {
  const warnings: string[] = [];
  const files: { readonly name: string; readonly base64: string }[] = [];
  let left = maxTotalBytes;
  for (const path of await configurationFiles(found, warnings)) {
    const name = basename(path);
    const content = await readBounded(path, Math.min(maxFileBytes, left), warnings);
    if (content === undefined) continue;
    left -= content.length;
    files.push({ name, base64: content.toString('base64') });
  }
  const told = [...files.map(({ name }) => name.toLowerCase()), ...warnings].some((text) => text.includes('.vmcx'));
  if (!told) warnings.push(`The configuration file of the VM was not found. ${lossOf['.vmcx'] ?? ''}`);
  return { configuration: { ...summaryOf(found, disks), files }, warnings };
}

function summaryOf(found: CheckpointConfiguration, disks: readonly CheckpointDisk[]): Omit<VmConfiguration, 'files'> {
  return {
    name: clip(found.name, 256),
    generation: generationOf(found.subType),
    configVersion: found.version,
    processorCount: found.processorCount,
    memoryBytes: found.memoryBytes,
    networkAdapters: found.adapters.slice(0, maxAdapters).map(({ name, switchName }) => ({
      name: clip(name, 128),
      switchName: switchName === null || switchName === '' ? null : clip(switchName, 256),
    })),
    disks: disks.map(({ attached, frozen }) => ({
      id: frozen.id,
      name: frozen.name,
      controller: slotText(attached),
    })),
  };
}

/** A text that the protocol takes: not empty, not too long. */
const clip = (text: string, length: number): string => text.toWellFormed().slice(0, length) || '-';

/** The `.vmcx`, its siblings of the same name, and the guest state file: each once. */
async function configurationFiles(found: CheckpointConfiguration, warnings: string[]): Promise<readonly string[]> {
  const paths = new Map<string, string>();
  const main = insideOf(found.configurationRoot, found.configurationFile);
  if (main !== undefined)
    for (const path of await siblings(main, warnings)) paths.set(basename(path).toLowerCase(), path);
  const guestState = insideOf(found.guestStateRoot, found.guestStateFile);
  if (guestState !== undefined) {
    const key = basename(guestState).toLowerCase();
    if (!paths.has(key)) paths.set(key, guestState);
  }
  return [...paths.values()];
}

/** The checked path of a file that Hyper-V names relative to a folder; undefined when it names none. */
function insideOf(root: string, file: string): string | undefined {
  if (file === '') return undefined;
  const path = hostPath(isAbsolute(file) ? file : join(root, file), 'configuration');
  if (root === '' || isInside(root, path)) return path;
  throw new TidemarkError(
    errorCodes.hostStateInvalid,
    `The configuration file ${JSON.stringify(file)} does not lie in the folder ${root} of its VM.`,
    { hint: 'Look at the settings of the VM in Hyper-V Manager.' },
  );
}

async function siblings(main: string, warnings: string[]): Promise<readonly string[]> {
  const folder = dirname(main);
  const stem = basename(main, extname(main)).toLowerCase();
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && basename(entry.name, extname(entry.name)).toLowerCase() === stem)
      .filter((entry) => extname(entry.name).toLowerCase() in lossOf)
      .map((entry) => join(folder, entry.name))
      .sort();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    warnings.push(missing(main, 'it cannot be read'));
    return [];
  }
}

async function readBounded(path: string, limit: number, warnings: string[]): Promise<Buffer | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > limit) {
      warnings.push(missing(path, `with ${formatBytes(size)} it is too large`));
      return undefined;
    }
    return await readWhole(handle, size);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    warnings.push(missing(path, 'it cannot be read'));
    return undefined;
  } finally {
    await handle?.close();
  }
}

/** The first `size` bytes, or less when the file became shorter. */
async function readWhole(handle: FileHandle, size: number): Promise<Buffer> {
  const content = Buffer.alloc(size);
  for (let done = 0; done < size;) {
    const { bytesRead } = await handle.read(content, done, size - done, done);
    if (bytesRead === 0) return content.subarray(0, done);
    done += bytesRead;
  }
  return content;
}

function missing(path: string, why: string): string {
  const loss = lossOf[extname(path).toLowerCase()] ?? '';
  return `The configuration file ${basename(path).toLowerCase()} is left out: ${why}. ${loss}`;
}
