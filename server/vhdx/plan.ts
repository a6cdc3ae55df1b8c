/** The layout of a dynamic VHDX whose content is known beforehand, as a restore writes it. */
import type { DiskId } from '../protocol/ids.ts';
import { blockState, encodeBatEntry } from './bat.ts';
import { batEntryBytes, blockLength, payloadIndex } from './geometry.ts';
import { newGuid, zeroGuid } from './guid.ts';
import { encodeHeaderPair } from './header.ts';
import { blockBytesFor, encodeFixedParts, layoutOf } from './layout.ts';
import type { FilePiece } from './layout.ts';

/** The disk that the file shall hold. */
export interface VhdxPlanRequest {
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly diskId: DiskId;
  /** Whether anything but zeros lies in a range of the disk, in bytes; asked once per block, ascending. */
  readonly hasData: (offset: number, length: number) => boolean;
}

/** How to write the file: `regions` and the data in any order, all of it durably; then `header`. Before that it is no VHDX. */
export interface VhdxPlan {
  readonly blockBytes: number;
  /** Final size of the file. What is not written must read as zeros. */
  readonly fileBytes: number;
  readonly regions: readonly FilePiece[];
  readonly header: readonly FilePiece[];
  /** Where a byte of the disk lies in the file; undefined when its block is not allocated. Up to the end of its block, bytes lie side by side. */
  fileOffset(diskOffset: number): number | undefined;
}

/** Plans a dynamic VHDX with new FileWriteGuid and DataWriteGuid; blocks lie in the order of the disk. */
export function planVhdx(request: VhdxPlanRequest): VhdxPlan {
  const { hasData, ...disk } = request;
  const metadata = { ...disk, fixed: false, blockBytes: blockBytesFor(request.sizeBytes) };
  const layout = layoutOf(metadata);
  const { geometry, payloadOffset, bat, log } = layout;
  const { blockBytes, dataBlocks } = geometry;
  const table = Buffer.alloc(geometry.batEntries * batEntryBytes);
  /** Place of each block behind `payloadOffset` in blocks, plus one; 0 when it has none. */
  const places = new Uint32Array(dataBlocks);
  let allocated = 0;
  for (let block = 0; block < dataBlocks; block++) {
    if (!hasData(block * blockBytes, blockLength(geometry, block))) continue;
    const offset = payloadOffset + allocated * blockBytes;
    encodeBatEntry(table, payloadIndex(geometry, block) * batEntryBytes, { state: blockState.fullyPresent, offset });
    allocated += 1;
    places[block] = allocated;
  }
  const guids = { fileWriteGuid: newGuid(), dataWriteGuid: newGuid(), logGuid: zeroGuid };
  return {
    blockBytes,
    fileBytes: payloadOffset + allocated * blockBytes,
    regions: [...encodeFixedParts(metadata, layout), { offset: bat.offset, data: table }],
    header: encodeHeaderPair({ ...guids, logOffset: log.offset, logBytes: log.length }),
    fileOffset: (diskOffset) => {
      const place = places[Math.floor(diskOffset / blockBytes)] ?? 0;
      return place === 0 ? undefined : payloadOffset + (place - 1) * blockBytes + (diskOffset % blockBytes);
    },
  };
}
