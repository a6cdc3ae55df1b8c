/** Where everything lies in a VHDX that Tidemark makes: headers, log, metadata, block allocation table, payload. */
import { batEntryBytes, geometryOf } from './geometry.ts';
import type { Geometry } from './geometry.ts';
import { encodeFileIdentifier, headerSectionBytes, MiB } from './header.ts';
import { encodeMetadata } from './metadata.ts';
import type { VhdxMetadata } from './metadata.ts';
import { encodeRegionTables } from './region-table.ts';
import type { Region } from './region-table.ts';

/** Bytes at a place of a file. */
export interface FilePiece {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** As Hyper-V makes it. */
const logBytes = MiB;
const metadataBytes = MiB;

/** The places of a new file. */
export interface Layout {
  readonly geometry: Geometry;
  readonly log: Region;
  readonly metadata: Region;
  readonly bat: Region;
  /** Where the first block can lie. */
  readonly payloadOffset: number;
}

/** Rounds up to the grid on which everything in a VHDX lies. */
export const roundUpToMiB = (bytes: number): number => Math.ceil(bytes / MiB) * MiB;

/** Lays out a new file. */
export function layoutOf(metadata: VhdxMetadata): Layout {
  const geometry = geometryOf(metadata);
  const log = { offset: headerSectionBytes, length: logBytes };
  const metadataRegion = { offset: log.offset + log.length, length: metadataBytes };
  const bat = {
    offset: metadataRegion.offset + metadataRegion.length,
    length: roundUpToMiB(geometry.batEntries * batEntryBytes),
  };
  return { geometry, log, metadata: metadataRegion, bat, payloadOffset: bat.offset + bat.length };
}

/** Everything of a new file but headers, table and payload. */
export function encodeFixedParts(metadata: VhdxMetadata, layout: Layout): readonly FilePiece[] {
  return [
    { offset: 0, data: encodeFileIdentifier() },
    ...encodeRegionTables(layout),
    { offset: layout.metadata.offset, data: encodeMetadata(metadata) },
  ];
}

/** Smallest block Tidemark uses: that of Hyper-V's differencing disks. */
const smallestBlockBytes = 2 * MiB;
/** Keeps the table of a disk of 64 TiB at 16 MiB. */
const maxBlocks = 2 ** 21;

/**
 * The block size for a dynamic disk. Hyper-V uses 32 MiB throughout; smaller blocks make the list of allocated extents
 * finer and keep files with scattered data small, and only a large disk needs larger ones for its table's sake.
 */
export function blockBytesFor(sizeBytes: number): number {
  let blockBytes = smallestBlockBytes;
  while (sizeBytes / blockBytes > maxBlocks) blockBytes *= 2;
  return blockBytes;
}
