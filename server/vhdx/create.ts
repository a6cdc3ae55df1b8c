/** Making VHDX files. */
import { rm } from 'node:fs/promises';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { diskId as parseDiskId } from '../protocol/ids.ts';
import type { DiskId } from '../protocol/ids.ts';
import { blockState, encodeBatEntry } from './bat.ts';
import { batEntryBytes, payloadIndex } from './geometry.ts';
import { newGuid, zeroGuid } from './guid.ts';
import { encodeHeaderPair, MiB } from './header.ts';
import { blockBytesFor, encodeFixedParts, layoutOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { maxVirtualDiskBytes } from './metadata.ts';
import type { VhdxMetadata } from './metadata.ts';
import { pathsToParent } from './parent-paths.ts';
import { openRandomFile } from './random-file.ts';
import type { RandomFile } from './random-file.ts';
import { readStructures } from './vhdx-file.ts';

/** A disk to make. Sizes in bytes. */
export interface NewVhdx {
  readonly sizeBytes: number;
  /** Default `dynamic`. A fixed disk has all its blocks from the beginning, as holes where the file system has them. */
  readonly type?: 'dynamic' | 'fixed' | undefined;
  /** A power of two from 1 to 256 MiB. Default: 2 MiB, more above 4 TiB. */
  readonly blockBytes?: number | undefined;
  /** 512 (default) or 4096. */
  readonly logicalSectorBytes?: number | undefined;
  /** 512 or 4096 (default). */
  readonly physicalSectorBytes?: number | undefined;
  /** Default: a random one. */
  readonly diskId?: DiskId | undefined;
}

/** Makes a VHDX that reads as zeros, durably. Throws `TM1001` for sizes that cannot be; the system's error when `path` exists. */
export async function createVhdx(path: string, disk: NewVhdx): Promise<void> {
  const metadata: VhdxMetadata = {
    sizeBytes: disk.sizeBytes,
    fixed: disk.type === 'fixed',
    blockBytes: disk.blockBytes ?? blockBytesFor(disk.sizeBytes),
    logicalSectorBytes: disk.logicalSectorBytes ?? 512,
    physicalSectorBytes: disk.physicalSectorBytes ?? 4096,
    diskId: disk.diskId ?? parseDiskId(newGuid(), 'diskId'),
  };
  checkSizes(metadata);
  await createFile(path, metadata);
}

/** Makes a differencing VHDX over `parent`, which must not change any more. Throws `TM1003`, `TM3001` to `TM3004` for the parent. */
export async function createDifferencingVhdx(
  path: string,
  parent: string,
  options: { readonly blockBytes?: number } = {},
): Promise<void> {
  const file = await openRandomFile(parent, 'read');
  try {
    const { metadata, header } = await readStructures(file);
    const { sizeBytes } = metadata;
    await createFile(path, {
      ...metadata,
      fixed: false,
      blockBytes: options.blockBytes ?? blockBytesFor(sizeBytes),
      parent: { linkage: header.dataWriteGuid, ...pathsToParent(path, parent) },
    });
  } finally {
    await file.close();
  }
}

function checkSizes({ sizeBytes, blockBytes, logicalSectorBytes, physicalSectorBytes }: VhdxMetadata): void {
  const refuse = (what: string): never => {
    throw new TidemarkError(errorCodes.invalidInput, `A VHDX cannot have ${what}.`, {
      hint: 'Use a size of at most 64 TiB in whole sectors of 512 or 4096 bytes, and blocks of 1 to 256 MiB.',
    });
  };
  for (const bytes of [logicalSectorBytes, physicalSectorBytes]) {
    if (bytes !== 512 && bytes !== 4096) refuse(`sectors of ${bytes} bytes`);
  }
  const isSize = Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= maxVirtualDiskBytes;
  if (!isSize || sizeBytes % logicalSectorBytes !== 0) refuse(`a size of ${sizeBytes} bytes`);
  if (blockBytes < MiB || blockBytes > 256 * MiB || (blockBytes & (blockBytes - 1)) !== 0) {
    refuse(`blocks of ${blockBytes} bytes`);
  }
}

async function createFile(path: string, metadata: VhdxMetadata): Promise<void> {
  const file = await openRandomFile(path, 'create');
  try {
    await writeNewVhdx(file, metadata);
    await file.close();
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

/** Writes an empty VHDX into an empty file; the headers last, so that an interrupted one is no VHDX. */
export async function writeNewVhdx(file: RandomFile, metadata: VhdxMetadata): Promise<void> {
  const layout = layoutOf(metadata);
  const { geometry, payloadOffset, log } = layout;
  await file.truncate(payloadOffset + (metadata.fixed ? geometry.dataBlocks * geometry.blockBytes : 0));
  for (const { offset, data } of encodeFixedParts(metadata, layout)) await file.write(data, offset);
  if (metadata.fixed) await writeFixedTable(file, layout);
  await file.sync();
  const guids = { fileWriteGuid: newGuid(), dataWriteGuid: newGuid(), logGuid: zeroGuid };
  const headers = encodeHeaderPair({ ...guids, logOffset: log.offset, logBytes: log.length });
  for (const { offset, data } of headers) await file.write(data, offset);
  await file.sync();
}

/** Table entries encoded at a time. */
const batchBlocks = 131_072;

async function writeFixedTable(file: RandomFile, { geometry, bat, payloadOffset }: Layout): Promise<void> {
  const { dataBlocks, blockBytes } = geometry;
  for (let first = 0; first < dataBlocks; first += batchBlocks) {
    const end = Math.min(dataBlocks, first + batchBlocks);
    const start = payloadIndex(geometry, first);
    const part = Buffer.alloc((payloadIndex(geometry, end - 1) + 1 - start) * batEntryBytes);
    for (let block = first; block < end; block++) {
      const at = (payloadIndex(geometry, block) - start) * batEntryBytes;
      encodeBatEntry(part, at, { state: blockState.fullyPresent, offset: payloadOffset + block * blockBytes });
    }
    await file.write(part, bat.offset + start * batEntryBytes);
  }
}
