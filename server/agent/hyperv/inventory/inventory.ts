/** What disk files are: read from the file where Windows lets the agent, else asked of Hyper-V, and remembered while the file stays as it is. */
import { stat } from 'node:fs/promises';

import { forEachLimited } from '../../../base/concurrency.ts';
import { oneLine } from '../../../base/one-line.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import { diskId as parseDiskId } from '../../../protocol/ids.ts';
import type { DiskId } from '../../../protocol/ids.ts';
import { maxDiskBytes } from '../../../protocol/model.ts';
import { openVirtualDisk, parseGuid, readVhdxInfo } from '../../../vhdx/index.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getVirtualDisk } from '../commands/index.ts';
import type { VirtualDiskFacts } from '../commands/index.ts';
import { isHostPath, mayBeParent } from '../paths.ts';

/** The facts of a disk file. Sizes in bytes. */
export interface DiskFacts {
  readonly format: 'vhdx' | 'vhd' | 'vhdset';
  /** VirtualDiskId; undefined where the format has none. */
  readonly diskId: DiskId | undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
}

/** A disk file: its facts or why there are none, and the bytes that it takes. */
export interface DescribedDisk {
  readonly facts: DiskFacts | undefined;
  /** One sentence; empty when there are facts. */
  readonly reason: string;
  readonly fileBytes: number;
}

interface Remembered {
  readonly facts: DiskFacts;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Windows does not tell the true time of change of a file that a VM writes to: such facts get old, at this time of `performance.now`. */
  readonly until: number;
}

/** Files whose facts are remembered; two disks each for 8,000 VMs. */
const maxRemembered = 16_384;
/** Milliseconds for which Hyper-V is not asked again about a file that the agent cannot open. */
const askedForMs = 600_000;
const parallelReads = 16;
const pathsPerCall = 200;

const notDescribed: DescribedDisk = { facts: undefined, reason: 'It was not described.', fileBytes: 0 };

/** Reads facts of disk files for one provider. */
export class DiskInventory {
  readonly #calls: HypervCalls;
  readonly #remembered = new Map<string, Remembered>();

  constructor(calls: HypervCalls) {
    this.#calls = calls;
  }

  /** The facts of the files, by path. `fresh` believes nothing that was read before. Throws only when aborted. */
  async describe(
    paths: Iterable<string>,
    signal: AbortSignal,
    fresh = false,
  ): Promise<ReadonlyMap<string, DescribedDisk>> {
    const found = new Map<string, DescribedDisk>();
    const toAsk: { readonly path: string; readonly reason: string; readonly fileBytes: number; mtimeMs: number }[] = [];
    await forEachLimited(new Set(paths), parallelReads, async (path) => {
      throwIfAborted(signal);
      const { fileBytes, mtimeMs } = await fileFacts(path);
      const known = fresh ? undefined : this.#recall(path, fileBytes, mtimeMs);
      if (known !== undefined) {
        found.set(path, { facts: known, reason: '', fileBytes });
        return;
      }
      try {
        const facts = await readFacts(path);
        this.#remember(path, { facts, sizeBytes: fileBytes, mtimeMs, until: Infinity });
        found.set(path, { facts, reason: '', fileBytes });
      } catch (error) {
        toAsk.push({ path, reason: TidemarkError.from(error).message, fileBytes, mtimeMs });
      }
    });
    for (let at = 0; at < toAsk.length; at += pathsPerCall) {
      const batch = toAsk.slice(at, at + pathsPerCall);
      const answers = await this.#ask(
        batch.map(({ path }) => path),
        signal,
      );
      for (const { path, reason, fileBytes, mtimeMs } of batch) {
        const { facts, error } = answers.get(path) ?? { facts: undefined, error: '' };
        if (facts !== undefined) {
          this.#remember(path, { facts, sizeBytes: fileBytes, mtimeMs, until: performance.now() + askedForMs });
        }
        found.set(path, {
          facts,
          reason: facts === undefined ? oneLine(error === '' ? reason : error, 256) : '',
          fileBytes,
        });
      }
    }
    return found;
  }

  async #ask(
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly facts: DiskFacts | undefined; readonly error: string }>> {
    const { disks } = await this.#calls.invoke(getVirtualDisk, { Path: paths }, signal);
    return new Map(
      disks.map(({ path, disk, error }) => [path, { facts: disk === null ? undefined : factsOf(disk), error }]),
    );
  }

  #recall(path: string, sizeBytes: number, mtimeMs: number): DiskFacts | undefined {
    const known = this.#remembered.get(path);
    if (known === undefined || known.sizeBytes !== sizeBytes) return undefined;
    const believed = known.until === Infinity ? known.mtimeMs === mtimeMs : performance.now() < known.until;
    return believed ? known.facts : undefined;
  }

  #remember(path: string, entry: Remembered): void {
    this.#remembered.delete(path);
    this.#remembered.set(path, entry);
    if (this.#remembered.size <= maxRemembered) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}

/** What `describe` found of a path. */
export function describedAs(found: ReadonlyMap<string, DescribedDisk>, path: string): DescribedDisk {
  return found.get(path) ?? notDescribed;
}

async function fileFacts(path: string): Promise<{ readonly fileBytes: number; readonly mtimeMs: number }> {
  if (!isHostPath(path, 'disk')) return { fileBytes: 0, mtimeMs: 0 };
  try {
    const { size, mtimeMs } = await stat(path);
    return { fileBytes: size, mtimeMs };
  } catch {
    // It may be gone, or not for this account: Hyper-V is asked, and says why.
    return { fileBytes: 0, mtimeMs: 0 };
  }
}

async function readFacts(path: string): Promise<DiskFacts> {
  if (/\.a?vhdx$/i.test(path) && isHostPath(path, 'disk')) {
    const { diskId, sizeBytes, logicalSectorBytes, physicalSectorBytes } = await readVhdxInfo(path);
    return { format: 'vhdx', diskId, sizeBytes, logicalSectorBytes, physicalSectorBytes };
  }
  if (/\.a?vhd$/i.test(path) && isHostPath(path, 'disk')) {
    await using disk = await openVirtualDisk(path, { mayBeParent });
    const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk.top;
    return { format: 'vhd', diskId: undefined, sizeBytes, logicalSectorBytes, physicalSectorBytes };
  }
  throw new TypeError('It is no VHDX and no VHD.');
}

function factsOf(disk: VirtualDiskFacts): DiskFacts | undefined {
  const { sizeBytes } = disk;
  const guid = parseGuid(disk.virtualDiskId);
  const logicalSectorBytes = sectorBytes(disk.logicalSectorBytes);
  const physicalSectorBytes = sectorBytes(disk.physicalSectorBytes);
  if (sizeBytes > maxDiskBytes) return undefined;
  const sizes = { sizeBytes, logicalSectorBytes, physicalSectorBytes };
  switch (disk.format) {
    case 2:
      return { format: 'vhd', diskId: undefined, ...sizes };
    case 3:
      return guid === undefined ? undefined : { format: 'vhdx', diskId: parseDiskId(guid, 'diskId'), ...sizes };
    case 4:
      return { format: 'vhdset', diskId: undefined, ...sizes };
    default:
      return undefined;
  }
}

/** 512 or 4096; older formats leave it out, and have 512. */
function sectorBytes(value: number): number {
  return value === 4096 ? 4096 : 512;
}
