/** What the tests of disk files share: folders, the tools that judge, files in memory. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { diskId } from '../../../server/protocol/ids.ts';
import { VirtualDisk } from '../../../server/vhdx/chain.ts';
import { writeNewVhdx } from '../../../server/vhdx/create.ts';
import { truncated } from '../../../server/vhdx/errors.ts';
import { newGuid } from '../../../server/vhdx/guid.ts';
import type { Extent } from '../../../server/vhdx/layer.ts';
import type { VhdxMetadata } from '../../../server/vhdx/metadata.ts';
import type { RandomFile } from '../../../server/vhdx/random-file.ts';
import { VhdxFile } from '../../../server/vhdx/vhdx-file.ts';
import { VhdxWriter } from '../../../server/vhdx/writer.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** A folder that goes with the test. */
export async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-vhdx-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Why a test that needs these tools is skipped; false when all are there. */
export function missing(...tools: readonly string[]): string | false {
  const lacking = tools.filter((name) => spawnSync(name, ['--version']).error !== undefined);
  return lacking.length > 0 && `${lacking.join(' and ')} not installed`;
}

const execute = promisify(execFile);

/** Runs a tool; fails with what it printed when it does. */
export async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(name, args, { maxBuffer: 64 * MiB });
  return stdout;
}

/** Bytes that depend on the seed. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2_654_435_761 + 12_345) >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** For `assert.rejects`: a Tidemark error with one of these codes, a path and a hint. */
export const code =
  (...names: readonly (keyof typeof errorCodes)[]): ((error: unknown) => boolean) =>
  (error) => {
    const known = names.some((name) => TidemarkError.is(error, errorCodes[name]));
    if (known && error instanceof TidemarkError && error.hint !== undefined) return true;
    throw error;
  };

/** The whole disk. */
export async function contentOf(disk: VirtualDisk): Promise<Buffer> {
  const image = Buffer.alloc(disk.sizeBytes);
  await disk.read(image, 0);
  return image;
}

/** All allocated extents of a disk. */
export async function extentsOf(disk: VirtualDisk): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of disk.allocated()) extents.push(extent);
  return extents;
}

/** What is done to a file. */
export type FileOperation =
  | { readonly kind: 'write'; readonly position: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'sync' };

/** A file in memory that remembers what was done to it. */
export class MemoryFile implements RandomFile {
  readonly path: string;
  readonly operations: FileOperation[] = [];
  #bytes: Buffer;
  #size: number;

  constructor(bytes: Buffer = Buffer.alloc(0), path = 'memory.vhdx') {
    this.#bytes = bytes;
    this.#size = bytes.length;
    this.path = path;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  async size(): Promise<number> {
    return this.#size;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    if (position + target.length > this.#size) throw truncated(this.path, 'it ends');
    target.set(this.#bytes.subarray(position, position + target.length));
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.operations.push({ kind: 'write', position, data: Buffer.from(source) });
    this.#resize(Math.max(this.#size, position + source.length));
    this.#bytes.set(source, position);
  }

  async truncate(size: number): Promise<void> {
    this.operations.push({ kind: 'truncate', size });
    this.#resize(size);
  }

  #resize(size: number): void {
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    if (size > this.#bytes.length) {
      this.#bytes = Buffer.concat([
        this.#bytes,
        Buffer.alloc(Math.max(size, 2 * this.#bytes.length) - this.#bytes.length),
      ]);
    }
    this.#size = size;
  }

  async sync(): Promise<void> {
    this.operations.push({ kind: 'sync' });
  }

  async close(): Promise<void> {
    // Nothing to give back.
  }

  /** Carries out an operation; of a write only the first `bytes`. */
  async apply(operation: FileOperation, bytes = Number.POSITIVE_INFINITY): Promise<void> {
    if (operation.kind === 'write') await this.write(operation.data.subarray(0, bytes), operation.position);
    if (operation.kind === 'truncate') await this.truncate(operation.size);
  }
}

/** Metadata of a small dynamic disk. */
export function metadata(changes: Partial<VhdxMetadata> = {}): VhdxMetadata {
  return {
    sizeBytes: 4 * MiB,
    blockBytes: MiB,
    fixed: false,
    diskId: diskId(newGuid(), 'id'),
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    ...changes,
  };
}

/** An empty VHDX in memory. */
export async function emptyVhdx(changes: Partial<VhdxMetadata> = {}): Promise<MemoryFile> {
  const file = new MemoryFile();
  await writeNewVhdx(file, metadata(changes));
  return file;
}

/** A writer of a file in memory above parents that are open. */
export async function writerOf(file: RandomFile, parents: readonly VhdxFile[] = []): Promise<VhdxWriter> {
  const top = await VhdxFile.open(file, true);
  return new VhdxWriter(new VirtualDisk([top, ...parents]), top, await file.size());
}
