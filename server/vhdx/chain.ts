/** A disk with all its parents, open for reading. */
import { lstat, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';

import { systemCode } from '../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { checkDiskRange, parentMismatch, unknownFormat } from './errors.ts';
import { isVhdx } from './header.ts';
import type { DiskLayer, Extent, ParentReference } from './layer.ts';
import { openRandomFile } from './random-file.ts';
import type { RandomFile } from './random-file.ts';
import { isVhd, VhdFile } from './vhd-file.ts';
import { VhdxFile } from './vhdx-file.ts';

/** Files of one chain; Hyper-V allows 50 checkpoints. */
const maxDepth = 128;

/** How a disk is opened. */
export interface OpenOptions {
  /**
   * Whether `parent` may be opened, or so much as looked for, as the parent of the file `child`: who writes a disk file chooses what it names
   * as its parent. Asked again with the path that links lead to. Default: any file.
   */
  readonly mayBeParent?: ((parent: string, child: string) => boolean) | undefined;
}

/** A virtual disk as its users see it: the file and everything below it. */
export class VirtualDisk implements AsyncDisposable {
  /** All files, from the disk itself down to the one without a parent. */
  readonly layers: readonly [DiskLayer, ...DiskLayer[]];

  constructor(layers: readonly [DiskLayer, ...DiskLayer[]]) {
    this.layers = layers;
  }

  /** The topmost file. */
  get top(): DiskLayer {
    return this.layers[0];
  }

  /** The file below it; undefined when it has no parent. */
  get below(): DiskLayer | undefined {
    return this.layers[1];
  }

  get path(): string {
    return this.top.file.path;
  }

  get sizeBytes(): number {
    return this.top.sizeBytes;
  }

  /** Fills all of `target` from byte `offset` on; both may be unaligned. Throws `TM3008` past the disk's end. */
  async read(target: Uint8Array, offset: number): Promise<void> {
    checkDiskRange(this.path, this.sizeBytes, offset, target.length);
    await this.#readFrom(0, target, offset);
  }

  async #readFrom(level: number, target: Uint8Array, offset: number): Promise<void> {
    const layer = this.layers[level];
    if (layer === undefined) {
      target.fill(0);
      return;
    }
    for (let done = 0; done < target.length;) {
      const run = await layer.locate(offset + done, target.length - done);
      const part = target.subarray(done, done + run.length);
      if (run.kind === 'data') await layer.file.read(part, run.fileOffset);
      else if (run.kind === 'zero') part.fill(0);
      else await this.#readFrom(level + 1, part, offset + done);
      done += run.length;
    }
  }

  /** The ranges from `from` on that hold data in any file of the chain: ascending, apart from each other; all else reads as zeros. */
  async *allocated(from = 0, signal?: AbortSignal): AsyncGenerator<Extent> {
    let open: Extent | undefined;
    for await (const extent of this.#allocatedIn(0, from, this.sizeBytes, signal)) {
      if (open !== undefined && open.offset + open.length === extent.offset) {
        open = { offset: open.offset, length: open.length + extent.length };
        continue;
      }
      if (open !== undefined) yield open;
      open = extent;
    }
    if (open !== undefined) yield open;
  }

  async *#allocatedIn(level: number, from: number, to: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    const layer = this.layers[level];
    if (layer === undefined) return;
    for (let offset = from; offset < to;) {
      throwIfAborted(signal);
      const run = await layer.locate(offset, to - offset);
      if (run.kind === 'data') yield { offset, length: run.length };
      else if (run.kind === 'absent') yield* this.#allocatedIn(level + 1, offset, offset + run.length, signal);
      offset += run.length;
    }
  }

  /** Closes all files. */
  async close(): Promise<void> {
    for (const { file } of this.layers) await file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens a VHDX or VHD file with its parents, for reading. Throws `TM1003` and `TM3001` to `TM3007`. */
export async function openVirtualDisk(path: string, options: OpenOptions = {}): Promise<VirtualDisk> {
  await using undo = new AsyncDisposableStack();
  const file = await openRandomFile(path, 'read');
  undo.defer(() => file.close());
  const top = await openLayer(file);
  const parents = await openParents(top, options);
  undo.move();
  return new VirtualDisk([top, ...parents]);
}

/** Reads a file as what its first bytes, or its last, say it is. */
async function openLayer(file: RandomFile): Promise<DiskLayer> {
  const start = Buffer.alloc(8);
  const fileBytes = await file.size();
  if (fileBytes < start.length) throw unknownFormat(file.path);
  await file.read(start, 0);
  if (isVhdx(start)) return VhdxFile.open(file);
  if (await isVhd(file, fileBytes)) return VhdFile.open(file, fileBytes);
  throw unknownFormat(file.path);
}

/** Opens the parents of an open file, nearest first. Throws `TM3005` to `TM3007`, and what their own structure is worth. */
export async function openParents(top: DiskLayer, options: OpenOptions = {}): Promise<readonly DiskLayer[]> {
  await using undo = new AsyncDisposableStack();
  const layers: DiskLayer[] = [];
  const seen = new Set([await resolved(top.file.path)]);
  for (let child = top; child.parent !== undefined;) {
    const path = await findParent(child, child.parent, options);
    if (seen.has(path)) throw parentCycle(top, path);
    seen.add(path);
    if (seen.size > maxDepth) throw parentCycle(top, path);
    const file = await openRandomFile(path, 'read');
    undo.defer(() => file.close());
    const parent = await openLayer(file);
    checkParent(child, child.parent, parent);
    layers.push(parent);
    child = parent;
  }
  undo.move();
  return layers;
}

async function findParent(
  child: DiskLayer,
  { candidates }: ParentReference,
  { mayBeParent = () => true }: OpenOptions,
): Promise<string> {
  const refused: string[] = [];
  for (const candidate of candidates) {
    if (!mayBeParent(candidate, child.file.path)) {
      refused.push(candidate);
      continue;
    }
    try {
      const path = await resolved(candidate);
      if (mayBeParent(path, child.file.path)) return path;
      refused.push(candidate);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG', 'ELOOP'].includes(systemCode(error) ?? '')) throw error;
    }
  }
  if (refused.length > 0) {
    throw new TidemarkError(
      errorCodes.diskParentMissing,
      `The differencing disk ${child.file.path} names a parent that is not opened (${refused.join(', ')}).`,
      {
        hint: 'A parent must be a disk file with a plain path, on the same file server when it is on one. Check who made this disk.',
      },
    );
  }
  const places = candidates.length === 0 ? 'it names none that this machine knows' : candidates.join(', ');
  throw new TidemarkError(
    errorCodes.diskParentMissing,
    `The parent of the differencing disk ${child.file.path} is missing (${places}).`,
    { hint: 'Put the parent file back where it was; without it the disk cannot be read.' },
  );
}

/** Where links lead. Windows cannot say it for a file on a volume that only a few programs know; such a path is taken as it is. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (process.platform !== 'win32' || !(await lstat(path)).isFile()) throw error;
    return resolve(path);
  }
}

function parentCycle(top: DiskLayer, path: string): TidemarkError {
  return new TidemarkError(
    errorCodes.diskParentCycle,
    `The chain of parents of ${top.file.path} does not end: it comes to ${path} again, or is too long.`,
    { hint: 'A differencing disk cannot be its own parent: take the files from an undamaged copy.' },
  );
}

function checkParent(child: DiskLayer, reference: ParentReference, parent: DiskLayer): void {
  const mismatch = (what: string): TidemarkError => parentMismatch(parent.file.path, child.file.path, what);
  if (parent.identity.format !== reference.format) throw mismatch('its format differs');
  if (!reference.guids.includes(parent.identity.guid)) throw mismatch('its identity differs');
  if (parent.sizeBytes !== child.sizeBytes) throw mismatch('its size differs');
  if (parent.logicalSectorBytes !== child.logicalSectorBytes) throw mismatch('its sector size differs');
}
