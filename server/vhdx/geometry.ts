/** How blocks, chunks and table entries relate: MS-VHDX 2.5. */
import type { VhdxMetadata } from './metadata.ts';

/** Bits of one sector bitmap block of 1 MiB: the sectors of one chunk. */
const sectorsPerChunk = 2 ** 23;
export const bitmapBlockBytes = sectorsPerChunk / 8;
export const batEntryBytes = 8;

/** The numbers that follow from the metadata. */
export interface Geometry {
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly dataBlocks: number;
  /** Payload blocks that share one sector bitmap block. */
  readonly chunkRatio: number;
  readonly chunks: number;
  readonly batEntries: number;
  readonly differencing: boolean;
}

/** Computes the geometry. */
export function geometryOf(
  metadata: Pick<VhdxMetadata, 'blockBytes' | 'sizeBytes' | 'logicalSectorBytes'> & { readonly parent?: unknown },
): Geometry {
  const { blockBytes, sizeBytes, logicalSectorBytes: sectorBytes } = metadata;
  const differencing = metadata.parent !== undefined;
  const chunkRatio = (sectorsPerChunk * sectorBytes) / blockBytes;
  const dataBlocks = Math.ceil(sizeBytes / blockBytes);
  const chunks = Math.ceil(dataBlocks / chunkRatio);
  const batEntries = differencing ? chunks * (chunkRatio + 1) : dataBlocks + Math.floor((dataBlocks - 1) / chunkRatio);
  return { blockBytes, sizeBytes, sectorBytes, dataBlocks, chunkRatio, chunks, batEntries, differencing };
}

/** The table entry of a payload block. */
export const payloadIndex = (geometry: Geometry, block: number): number =>
  block + Math.floor(block / geometry.chunkRatio);

/** The table entry of a chunk's sector bitmap. */
export const bitmapIndex = (geometry: Geometry, chunk: number): number => (chunk + 1) * geometry.chunkRatio + chunk;

/** Bytes of a block that lie on the disk: the last one may end inside. */
export const blockLength = (geometry: Geometry, block: number): number =>
  Math.min(geometry.blockBytes, geometry.sizeBytes - block * geometry.blockBytes);
