/** The disk files of a simulated host: real VHDX files, the differencing disks of checkpoints above them. */
import type { DiskId } from '../../protocol/ids.ts';
import {
  createDifferencingVhdx,
  createVhdx,
  mergeIntoParent,
  openVhdxWriter,
  openVirtualDisk,
  readVhdxInfo,
  settleVhdx,
} from '../../vhdx/index.ts';
import type { Extent } from '../provider.ts';

/** What a disk file says of itself. */
export interface DiskFacts {
  readonly id: DiskId;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly dataWriteGuid: string;
}

/** A disk file open for writing. */
export interface LeafWriter {
  write(source: Uint8Array, offset: number): Promise<void>;
  /** Makes everything written durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A disk open for reading, through all files of its chain. */
export interface ChainReader {
  readonly sizeBytes: number;
  /** Fills all of `target` from byte `offset` on. Throws `TM3008` past the end. */
  read(target: Uint8Array, offset: number): Promise<void>;
  /** The extents from `from` on that may hold data, ascending and apart from each other; all else is zeros. */
  allocated(from: number, signal?: AbortSignal): AsyncIterable<Extent>;
  close(): Promise<void>;
}

/** Reads the facts of a disk file. Throws `TM3xxx`. */
export async function diskFacts(path: string): Promise<DiskFacts> {
  const { diskId: id, ...facts } = await readVhdxInfo(path);
  return { id, ...facts };
}

/** Makes an empty dynamic disk. */
export async function createDisk(
  path: string,
  disk: { readonly sizeBytes: number; readonly logicalSectorBytes?: number; readonly physicalSectorBytes?: number },
): Promise<void> {
  await createVhdx(path, disk);
}

/** Makes a differencing disk above `base`, which is frozen from then on. */
export async function createLeaf(base: string, leaf: string): Promise<void> {
  await settleDisk(base);
  await createDifferencingVhdx(leaf, base);
}

/** Brings a disk file that a crash left with a log to replay into a state that every tool can read. */
export async function settleDisk(path: string): Promise<void> {
  await settleVhdx(path);
}

/** Opens a disk for reading. Throws `TM3xxx`. */
export async function openChain(path: string): Promise<ChainReader> {
  return openVirtualDisk(path);
}

/** Opens a disk for reading as long as `work` takes. */
export async function withChain<T>(path: string, work: (reader: ChainReader) => Promise<T>): Promise<T> {
  await using disk = await openVirtualDisk(path);
  return await work(disk);
}

/** Opens a disk file for writing; what lies below it is only read. Throws `TM3xxx`. */
export async function openLeaf(path: string): Promise<LeafWriter> {
  return openVhdxWriter(path);
}

/** Opens a disk file for writing as long as `work` takes; all it wrote is durable afterwards. */
export async function withLeaf<T>(path: string, work: (writer: LeafWriter) => Promise<T>): Promise<T> {
  await using writer = await openVhdxWriter(path);
  const result = await work(writer);
  await writer.flush();
  return result;
}

/** Puts what a differencing disk holds into its base, durably. Interrupted, it can be done again; the chain opens at every moment. */
export async function mergeLeaf(
  leaf: string,
  base: string,
  signal: AbortSignal,
  progress: (part: number) => void,
): Promise<void> {
  await mergeIntoParent(leaf, base, signal, progress);
}
