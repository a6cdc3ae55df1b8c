/** The metadata region: MS-VHDX 2.6. */
import { TidemarkError } from '../protocol/errors.ts';
import { diskId as parseDiskId } from '../protocol/ids.ts';
import type { DiskId } from '../protocol/ids.ts';
import { corrupt, unsupported } from './errors.ts';
import { readGuid, writeGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { KiB, MiB } from './header.ts';
import { decodeParentLocator, encodeParentLocator } from './parent-locator.ts';
import type { ParentLocator } from './parent-locator.ts';
import type { RandomFile } from './random-file.ts';
import type { Region } from './region-table.ts';

export const metadataTableBytes = 64 * KiB;
const signature = 'metadata';
const firstEntry = 32;
const entryBytes = 32;
const maxEntries = 2047;
const maxItemBytes = MiB;
export const maxVirtualDiskBytes = 64 * 1024 ** 4;

const itemIds = {
  fileParameters: 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B',
  diskSize: '2FA54224-CD1B-4876-B211-5DBED83BF4B8',
  diskId: 'BECA12AB-B2E6-4523-93EF-C309E000C746',
  logicalSector: '8141BF1D-A96F-4709-BA47-F233A8FAAB5F',
  physicalSector: 'CDA348C7-445D-4471-9CC9-E9885251C556',
  parentLocator: 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C',
} as const;

const flag = { user: 1, virtualDisk: 2, required: 4 } as const;

/** What the metadata says of the virtual disk; sizes in bytes. */
export interface VhdxMetadata {
  readonly blockBytes: number;
  /** All blocks stay allocated. */
  readonly fixed: boolean;
  readonly sizeBytes: number;
  /** VirtualDiskId: equal in all files of a chain. */
  readonly diskId: DiskId;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  /** Of a differencing disk. */
  readonly parent?: ParentLocator | undefined;
}

/** An entry of the metadata table. `offset` is relative to the region, 0 when the item is empty. */
export interface MetadataItem {
  readonly index: number;
  readonly id: Guid;
  readonly offset: number;
  readonly length: number;
}

/** The table and the items of a new file: the beginning of its metadata region. */
export function encodeMetadata(metadata: VhdxMetadata): Buffer {
  const { parent } = metadata;
  const parameters = Buffer.alloc(8);
  parameters.writeUInt32LE(metadata.blockBytes, 0);
  parameters.writeUInt32LE((metadata.fixed ? 1 : 0) | (parent === undefined ? 0 : 2), 4);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(metadata.sizeBytes));
  const identity = Buffer.alloc(16);
  writeGuid(identity, metadata.diskId, 0);
  const disk = flag.virtualDisk | flag.required;
  const items: (readonly [Guid, number, Buffer])[] = [
    [itemIds.fileParameters, flag.required, parameters],
    [itemIds.diskSize, disk, size],
    [itemIds.diskId, disk, identity],
    [itemIds.logicalSector, disk, uint32(metadata.logicalSectorBytes)],
    [itemIds.physicalSector, disk, uint32(metadata.physicalSectorBytes)],
  ];
  if (parent !== undefined) items.push([itemIds.parentLocator, flag.required, encodeParentLocator(parent)]);
  const table = Buffer.alloc(metadataTableBytes);
  table.write(signature, 'latin1');
  table.writeUInt16LE(items.length, 10);
  let offset = metadataTableBytes;
  for (const [index, [id, flags, data]] of items.entries()) {
    const at = firstEntry + index * entryBytes;
    writeGuid(table, id, at);
    writeItemPlace(table, at, offset, data.length);
    table.writeUInt32LE(flags, at + 24);
    offset += data.length;
  }
  return Buffer.concat([table, ...items.map(([, , data]) => data)]);
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

/** Writes offset and length of the table entry at byte `at`. */
function writeItemPlace(target: Buffer, at: number, offset: number, length: number): void {
  target.writeUInt32LE(offset, at + 16);
  target.writeUInt32LE(length, at + 20);
}

/** Offset and length of an item as its table entry stores them, and where in the region they are stored. */
export function encodeItemPlace(
  index: number,
  offset: number,
  length: number,
): { readonly at: number; readonly data: Buffer } {
  const data = Buffer.alloc(8);
  data.writeUInt32LE(offset, 0);
  data.writeUInt32LE(length, 4);
  return { at: firstEntry + index * entryBytes + 16, data };
}

/** Reads table and items. Throws `TM3002`, `TM3003`, and `TM3004` for an unknown required item. */
export async function readMetadata(
  file: RandomFile,
  region: Region,
): Promise<{ readonly metadata: VhdxMetadata; readonly items: readonly MetadataItem[] }> {
  const { path } = file;
  if (region.length < metadataTableBytes) throw corrupt(path, 'its metadata region is too short');
  const table = Buffer.alloc(metadataTableBytes);
  await file.read(table, region.offset);
  const items = decodeTable(path, table, region);
  const get = async (id: Guid, length?: number): Promise<Buffer> => {
    const item = items.find((entry) => entry.id === id);
    if (item === undefined) throw corrupt(path, `its metadata lacks the item ${id}`);
    if (length !== undefined && item.length !== length) throw corrupt(path, `the metadata item ${id} has a wrong size`);
    const data = Buffer.alloc(item.length);
    await file.read(data, region.offset + item.offset);
    return data;
  };
  const parameters = await get(itemIds.fileParameters, 8);
  const flags = parameters.readUInt32LE(4);
  const differencing = (flags & 2) !== 0;
  const metadata: VhdxMetadata = {
    blockBytes: parameters.readUInt32LE(0),
    fixed: (flags & 1) !== 0 && !differencing,
    sizeBytes: Number((await get(itemIds.diskSize, 8)).readBigUInt64LE()),
    diskId: toDiskId(path, readGuid(await get(itemIds.diskId, 16), 0)),
    logicalSectorBytes: (await get(itemIds.logicalSector, 4)).readUInt32LE(),
    physicalSectorBytes: (await get(itemIds.physicalSector, 4)).readUInt32LE(),
    parent: differencing ? decodeParentLocator(path, await get(itemIds.parentLocator)) : undefined,
  };
  checkMetadata(path, metadata);
  return { metadata, items };
}

function decodeTable(path: string, table: Buffer, region: Region): readonly MetadataItem[] {
  if (table.toString('latin1', 0, signature.length) !== signature) throw corrupt(path, 'its metadata table is missing');
  const count = table.readUInt16LE(10);
  if (count > maxEntries) throw corrupt(path, `its metadata table claims ${count} items`);
  const known = new Set<Guid>(Object.values(itemIds));
  const items: MetadataItem[] = [];
  for (let index = 0; index < count; index++) {
    const at = firstEntry + index * entryBytes;
    const item = {
      index,
      id: readGuid(table, at),
      offset: table.readUInt32LE(at + 16),
      length: table.readUInt32LE(at + 20),
    };
    const flags = table.readUInt32LE(at + 24);
    if (item.length > maxItemBytes || item.offset + item.length > region.length) {
      throw corrupt(path, `the metadata item ${item.id} lies outside the metadata`);
    }
    if (item.length > 0 && item.offset < metadataTableBytes) {
      throw corrupt(path, `the metadata item ${item.id} lies in the metadata table`);
    }
    const isUser = (flags & flag.user) !== 0;
    if (!isUser && known.has(item.id)) {
      if (items.some((other) => other.id === item.id)) throw corrupt(path, `it has two metadata items ${item.id}`);
    } else if ((flags & flag.required) !== 0) {
      throw unsupported(path, `it needs the unknown metadata item ${item.id}`);
    }
    items.push(isUser ? { ...item, id: `user:${item.id}` } : item);
  }
  return items;
}

function toDiskId(path: string, guid: Guid): DiskId {
  try {
    return parseDiskId(guid, 'VirtualDiskId');
  } catch (error) {
    if (TidemarkError.is(error)) throw corrupt(path, 'its VirtualDiskId is none', error);
    throw error;
  }
}

const isSectorSize = (bytes: number): boolean => bytes === 512 || bytes === 4096;

function checkMetadata(path: string, metadata: VhdxMetadata): void {
  const { blockBytes, sizeBytes, logicalSectorBytes, physicalSectorBytes } = metadata;
  const isPower = (blockBytes & (blockBytes - 1)) === 0;
  if (!isPower || blockBytes < MiB || blockBytes > 256 * MiB) {
    throw corrupt(path, `its block size is ${blockBytes} bytes`);
  }
  if (!isSectorSize(logicalSectorBytes) || !isSectorSize(physicalSectorBytes)) {
    throw corrupt(path, `its sector sizes are ${logicalSectorBytes} and ${physicalSectorBytes} bytes`);
  }
  if (sizeBytes === 0 || sizeBytes > maxVirtualDiskBytes || sizeBytes % logicalSectorBytes !== 0) {
    throw corrupt(path, `its virtual disk is ${sizeBytes} bytes large`);
  }
}

/** Where a parent locator of `length` bytes can be put without touching any item of the region: the new item; undefined when there is no room. */
export function placeParentLocator(
  items: readonly MetadataItem[],
  region: Region,
  length: number,
): MetadataItem | undefined {
  const old = items.find((item) => item.id === itemIds.parentLocator);
  if (old === undefined) return undefined;
  let offset = metadataTableBytes;
  const taken = items.filter((item) => item.length > 0).toSorted((a, b) => a.offset - b.offset);
  for (const item of taken) {
    if (offset + length <= item.offset) break;
    offset = Math.max(offset, item.offset + item.length);
  }
  return offset + length <= region.length ? { ...old, offset, length } : undefined;
}
