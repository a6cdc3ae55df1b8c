/** Entries of the block allocation table: MS-VHDX 2.5.1. */
import { corrupt } from './errors.ts';
import { batEntryBytes, bitmapBlockBytes, blockLength } from './geometry.ts';
import type { Geometry } from './geometry.ts';
import { MiB } from './header.ts';
import type { RandomFile } from './random-file.ts';
import type { Region } from './region-table.ts';
import type { SpaceMap } from './space-map.ts';

/** States of a payload block. Old files use 5 for `unmapped`. */
export const blockState = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  unmappedOld: 5,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;
export type BlockState = (typeof blockState)[keyof typeof blockState];

/** State of a sector bitmap block that is there. */
const bitmapPresent = 6;

/** A table entry; `offset` in the file counts only for present blocks. */
export interface BatEntry {
  readonly state: BlockState;
  readonly offset: number;
}

const states: ReadonlySet<number> = new Set(Object.values(blockState));
const isState = (value: number): value is BlockState => states.has(value);

/** Reads an entry. Throws `TM3002` for a state or bits that cannot be. */
export function decodeBatEntry(path: string, source: Buffer, at: number): BatEntry {
  const low = source.readUInt32LE(at);
  const state = low & 7;
  if (!isState(state) || (low & 0xf_fff8) !== 0) throw corrupt(path, 'its block allocation table holds a bad entry');
  return { state, offset: source.readUInt32LE(at + 4) * 2 ** 32 + (low - (low & 0xf_ffff)) };
}

/** Writes an entry. */
export function encodeBatEntry(target: Buffer, at: number, entry: BatEntry): void {
  target.writeUInt32LE(((entry.offset % 2 ** 32) | entry.state) >>> 0, at);
  target.writeUInt32LE(Math.floor(entry.offset / 2 ** 32), at + 4);
}

export const isPresent = ({ state }: BatEntry): boolean =>
  state === blockState.fullyPresent || state === blockState.partiallyPresent;

/** Bytes of the table read at a time. */
const scanBytes = MiB;

/**
 * Reads the whole table once and claims the space of every block, with bounded memory. Throws `TM3002` for entries
 * that cannot be and blocks that overlap, `TM3003` for blocks past the end of the file.
 */
export async function checkBat(file: RandomFile, region: Region, geometry: Geometry, space: SpaceMap): Promise<void> {
  const { path } = file;
  const tableBytes = geometry.batEntries * batEntryBytes;
  if (tableBytes > region.length) throw corrupt(path, 'its block allocation table is too short for the disk');
  const page = Buffer.alloc(Math.min(scanBytes, tableBytes));
  const chunkEntries = geometry.chunkRatio + 1;
  let partial = false;
  for (let start = 0; start < tableBytes; start += page.length) {
    const part = page.subarray(0, Math.min(page.length, tableBytes - start));
    await file.read(part, region.offset + start);
    for (let at = 0; at < part.length; at += batEntryBytes) {
      const index = (start + at) / batEntryBytes;
      const place = index % chunkEntries;
      const isBitmap = place === geometry.chunkRatio;
      const isEmpty = part.readUInt32LE(at) === 0 && part.readUInt32LE(at + 4) === 0;
      if (isEmpty && !(isBitmap && partial)) continue;
      const entry = decodeBatEntry(path, part, at);
      if (isBitmap) {
        checkBitmapEntry(path, entry, partial, space);
        partial = false;
        continue;
      }
      const block = Math.floor(index / chunkEntries) * geometry.chunkRatio + place;
      partial = claimBlock(path, entry, block, geometry, space) || partial;
    }
  }
}

function checkBitmapEntry(path: string, entry: BatEntry, needed: boolean, space: SpaceMap): void {
  if (entry.state === bitmapPresent) {
    space.claim({ offset: entry.offset, length: bitmapBlockBytes }, 'a sector bitmap');
  } else if (entry.state !== 0 || needed) {
    throw corrupt(path, 'a sector bitmap is missing from its block allocation table');
  }
}

/** Claims the space of a payload block; returns whether it needs a sector bitmap. */
function claimBlock(path: string, entry: BatEntry, block: number, geometry: Geometry, space: SpaceMap): boolean {
  const { blockBytes } = geometry;
  if (!isPresent(entry)) {
    space.note(entry.offset > 0 ? entry.offset + blockBytes : 0);
    return false;
  }
  const isPartial = entry.state === blockState.partiallyPresent;
  if (block >= geometry.dataBlocks) throw corrupt(path, `block ${block} lies past the end of the disk`);
  if (isPartial && !geometry.differencing) throw corrupt(path, `block ${block} is partial without a parent`);
  const unused = blockBytes - blockLength(geometry, block);
  space.claim({ offset: entry.offset, length: blockBytes }, `block ${block}`, unused);
  return isPartial;
}
