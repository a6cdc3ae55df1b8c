/** Backups as the daemon makes them, put together in raw files and compared with the frozen disks byte by byte. */
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { throwIfAborted } from '../../../protocol/errors.ts';
import type { DiskId, ExportId } from '../../../protocol/ids.ts';
import type { FrozenDisk, ReferencePoint } from '../../../protocol/model.ts';
import type { DiskReader, Extent } from '../../provider.ts';
import { quietJob, takeCheckpoint, untrack } from './lab.ts';
import type { Lab } from './lab.ts';

const pieceBytes = 1024 * 1024;
const pageExtents = 16_384;

/** One backup. */
export interface ComparedBackup {
  /** What it read, bytes, and the first ranges of it. */
  readonly readBytes: number;
  readonly ranges: readonly Extent[];
  /** The first byte at which the image put together differs from the disk, and on which disk; undefined when there is none. */
  readonly difference: { readonly diskId: DiskId; readonly offset: number } | undefined;
  readonly point: ReferencePoint;
}

const keptRanges = 1_024;

/** Takes a backup: full without `base`, else of what changed since that reference point, which is removed at the end. */
export async function compareBackup(lab: Lab, base: ReferencePoint | undefined): Promise<ComparedBackup> {
  const { provider } = lab;
  const checkpoint = await takeCheckpoint(lab);
  const { id, disks } = await provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [] }, quietJob(lab));
  let readBytes = 0;
  const ranges: Extent[] = [];
  let difference: ComparedBackup['difference'];
  try {
    for (const disk of disks) {
      const since = base?.disks.find(({ diskId }) => diskId === disk.id)?.trackingId;
      await using image = await openImage(lab, disk);
      await using reader = await provider.openDisk(id, disk.id);
      for await (const extent of extentsOf(lab, id, disk, since)) {
        readBytes += extent.length;
        if (since !== undefined && ranges.length < keptRanges) ranges.push(extent);
        await copy(lab, reader, image, extent);
      }
      const offset = await firstDifference(lab, reader, image, disk.sizeBytes);
      if (offset !== undefined) difference ??= { diskId: disk.id, offset };
    }
  } finally {
    await provider.closeExport(id);
  }
  const point = await provider.convertCheckpoint(checkpoint.id, quietJob(lab));
  if (base !== undefined) await untrack(lab, base);
  return { readBytes, ranges, difference, point };
}

async function openImage({ folder }: Lab, { id, sizeBytes }: FrozenDisk): Promise<FileHandle> {
  const images = join(folder, 'images');
  await mkdir(images, { recursive: true });
  const path = join(images, `${id}.raw`);
  const handle = await open(path, 'r+').catch(async () => open(path, 'wx+'));
  await handle.truncate(sizeBytes);
  return handle;
}

async function* extentsOf(
  { provider, signal }: Lab,
  exportId: ExportId,
  { id: diskId, sizeBytes }: FrozenDisk,
  since: ReferencePoint['disks'][number]['trackingId'] | undefined,
): AsyncGenerator<Extent> {
  for (let offset = 0; offset < sizeBytes;) {
    const page = await provider.listExtents({ exportId, diskId, since, offset, maxExtents: pageExtents }, signal);
    yield* page.extents;
    if (page.nextOffset === undefined) return;
    offset = page.nextOffset;
  }
}

async function copy({ signal }: Lab, reader: DiskReader, image: FileHandle, extent: Extent): Promise<void> {
  const piece = Buffer.alloc(Math.min(pieceBytes, extent.length));
  for (let done = 0; done < extent.length; done += pieceBytes) {
    throwIfAborted(signal);
    const part = piece.subarray(0, Math.min(pieceBytes, extent.length - done));
    await reader.read(part, extent.offset + done);
    await image.write(part, 0, part.length, extent.offset + done);
  }
}

/** Reads all of both. */
async function firstDifference(
  { signal }: Lab,
  reader: DiskReader,
  image: FileHandle,
  sizeBytes: number,
): Promise<number | undefined> {
  const left = Buffer.alloc(pieceBytes);
  const right = Buffer.alloc(pieceBytes);
  for (let offset = 0; offset < sizeBytes; offset += pieceBytes) {
    throwIfAborted(signal);
    const length = Math.min(pieceBytes, sizeBytes - offset);
    await reader.read(left.subarray(0, length), offset);
    await image.read(right, 0, length, offset);
    if (left.compare(right, 0, length, 0, length) === 0) continue;
    for (let at = 0; at < length; at++) if (left[at] !== right[at]) return offset + at;
  }
  return undefined;
}
