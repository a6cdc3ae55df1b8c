/** The region table, in two copies: MS-VHDX 2.2.3. */
import { structureChecksum } from './crc32c.ts';
import { corrupt, truncated, unsupported } from './errors.ts';
import { readGuid, writeGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { headerSectionBytes, KiB, MiB } from './header.ts';
import type { RandomFile } from './random-file.ts';

const tableOffsets = [192 * KiB, 256 * KiB] as const;
const tableBytes = 64 * KiB;
const firstEntry = 16;
const entryBytes = 32;
const maxEntries = 2047;
const signature = 'regi';
const batRegion: Guid = '2DC27766-F623-4200-9D64-115E9BFD4A08';
const metadataRegion: Guid = '8B7CA206-4790-4B9A-B8FE-575F050F886E';

/** A part of the file, in bytes. */
export interface Region {
  readonly offset: number;
  readonly length: number;
}

/** Where block allocation table and metadata lie, and what else takes up space. */
export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
  readonly others: readonly Region[];
}

/** Both copies of the table for a new file. */
export function encodeRegionTables(
  regions: Pick<Regions, 'bat' | 'metadata'>,
): readonly { readonly offset: number; readonly data: Buffer }[] {
  const table = Buffer.alloc(tableBytes);
  table.write(signature, 'latin1');
  const entries = [
    [batRegion, regions.bat],
    [metadataRegion, regions.metadata],
  ] as const;
  table.writeUInt32LE(entries.length, 8);
  for (const [index, [guid, region]] of entries.entries()) {
    const at = firstEntry + index * entryBytes;
    writeGuid(table, guid, at);
    table.writeBigUInt64LE(BigInt(region.offset), at + 16);
    table.writeUInt32LE(region.length, at + 24);
    table.writeUInt32LE(1, at + 28);
  }
  table.writeUInt32LE(structureChecksum(table, 4), 4);
  return tableOffsets.map((offset) => ({ offset, data: table }));
}

/** Reads the first valid copy. Throws `TM3002` when there is none or it makes no sense, `TM3003`, and `TM3004` for an unknown required region. */
export async function readRegions(file: RandomFile, fileBytes: number): Promise<Regions> {
  const table = Buffer.alloc(tableBytes);
  for (const offset of tableOffsets) {
    await file.read(table, offset);
    if (table.toString('latin1', 0, 4) !== signature) continue;
    if (table.readUInt32LE(4) === structureChecksum(table, 4)) return decodeTable(file.path, table, fileBytes);
  }
  throw corrupt(file.path, 'neither of its two region tables is valid');
}

function decodeTable(path: string, table: Buffer, fileBytes: number): Regions {
  const count = table.readUInt32LE(8);
  if (count > maxEntries) throw corrupt(path, `its region table claims ${count} regions`);
  const known = new Map<Guid, Region>();
  const others: Region[] = [];
  for (let index = 0; index < count; index++) {
    const at = firstEntry + index * entryBytes;
    const guid = readGuid(table, at);
    const region = { offset: Number(table.readBigUInt64LE(at + 16)), length: table.readUInt32LE(at + 24) };
    const required = (table.readUInt32LE(at + 28) & 1) === 1;
    if (region.offset < headerSectionBytes || region.offset % MiB !== 0 || region.length % MiB !== 0) {
      throw corrupt(path, `the region ${guid} lies where none can be`);
    }
    if (region.offset + region.length > fileBytes) throw truncated(path, `the region ${guid} lies past its end`);
    if (guid === batRegion || guid === metadataRegion) {
      if (known.has(guid)) throw corrupt(path, `it has two regions ${guid}`);
      known.set(guid, region);
    } else if (required) {
      throw unsupported(path, `it needs the unknown region ${guid}`);
    } else {
      others.push(region);
    }
  }
  const bat = known.get(batRegion);
  const metadata = known.get(metadataRegion);
  if (bat === undefined || metadata === undefined) {
    throw corrupt(path, 'its region table lacks the block allocation table or the metadata');
  }
  return { bat, metadata, others };
}
