/** The file identifier and the two headers of a VHDX: MS-VHDX 2.2.1 and 2.2.2. */
import { structureChecksum } from './crc32c.ts';
import { corrupt, unsupported } from './errors.ts';
import { readGuid, writeGuid, zeroGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import type { RandomFile } from './random-file.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** Everything from here on is described by the region table, before it are identifier, headers and region tables. */
export const headerSectionBytes = MiB;
export const fileIdentifierBytes = 64 * KiB;
const headerOffsets = [64 * KiB, 128 * KiB] as const;
export const headerBytes = 4 * KiB;
const signature = 'head';
const identifier = 'vhdxfile';

/** A header: where the log is, and the GUIDs that tell one state of the file from another. */
export interface VhdxHeader {
  readonly sequence: bigint;
  /** Changes with every opening in which the file is written. */
  readonly fileWriteGuid: Guid;
  /** Changes before the content of the virtual disk does; children name their parent by it. */
  readonly dataWriteGuid: Guid;
  /** Not zero: the log of that GUID must be replayed. */
  readonly logGuid: Guid;
  readonly logOffset: number;
  readonly logBytes: number;
}

/** The current header and in which of the two places it lies. */
export interface CurrentHeader extends VhdxHeader {
  readonly slot: 0 | 1;
}

/** Whether `start`, the first bytes of a file, are those of a VHDX. */
export function isVhdx(start: Buffer): boolean {
  return start.toString('latin1', 0, identifier.length) === identifier;
}

/** The file identifier, 64 KiB. */
export function encodeFileIdentifier(): Buffer {
  const block = Buffer.alloc(fileIdentifierBytes);
  block.write(identifier, 'latin1');
  block.write('Tidemark', identifier.length, 'utf16le');
  return block;
}

/** One header, 4 KiB. */
export function encodeHeader(header: VhdxHeader): Buffer {
  const block = Buffer.alloc(headerBytes);
  block.write(signature, 'latin1');
  block.writeBigUInt64LE(header.sequence, 8);
  writeGuid(block, header.fileWriteGuid, 16);
  writeGuid(block, header.dataWriteGuid, 32);
  writeGuid(block, header.logGuid, 48);
  block.writeUInt16LE(1, 66);
  block.writeUInt32LE(header.logBytes, 68);
  block.writeBigUInt64LE(BigInt(header.logOffset), 72);
  block.writeUInt32LE(structureChecksum(block, 4), 4);
  return block;
}

/** Where the headers of a new file go; the second is the current one. */
export function encodeHeaderPair(
  header: Omit<VhdxHeader, 'sequence'>,
): readonly { readonly offset: number; readonly data: Buffer }[] {
  return headerOffsets.map((offset, slot) => ({
    offset,
    data: encodeHeader({ ...header, sequence: BigInt(slot + 1) }),
  }));
}

/** Reads both headers and gives the current one. Throws `TM3002` when none is valid, `TM3004` for another version. */
export async function readCurrentHeader(file: RandomFile): Promise<CurrentHeader> {
  const blocks: { readonly slot: 0 | 1; readonly block: Buffer }[] = [];
  for (const slot of [0, 1] as const) {
    const block = Buffer.alloc(headerBytes);
    await file.read(block, headerOffsets[slot]);
    if (block.toString('latin1', 0, 4) === signature && block.readUInt32LE(4) === structureChecksum(block, 4)) {
      blocks.push({ slot, block });
    }
  }
  const [one, other] = blocks;
  if (one === undefined) throw corrupt(file.path, 'neither of its two headers is valid');
  if (other === undefined) return decodeHeader(file.path, one.block, one.slot);
  const difference = other.block.readBigUInt64LE(8) - one.block.readBigUInt64LE(8);
  // Disk2vhd writes the same header twice.
  if (difference === 0n && !one.block.equals(other.block)) {
    throw corrupt(file.path, 'its two headers have the same number and differ');
  }
  const current = difference > 0n ? other : one;
  return decodeHeader(file.path, current.block, current.slot);
}

function decodeHeader(path: string, block: Buffer, slot: 0 | 1): CurrentHeader {
  const version = block.readUInt16LE(66);
  if (version !== 1) throw unsupported(path, `it is a VHDX file of version ${version}`);
  const logVersion = block.readUInt16LE(64);
  const logGuid = readGuid(block, 48);
  if (logVersion !== 0 && logGuid !== zeroGuid) throw unsupported(path, `its log has version ${logVersion}`);
  const logBytes = block.readUInt32LE(68);
  const logOffset = Number(block.readBigUInt64LE(72));
  if (logBytes % MiB !== 0 || logOffset % MiB !== 0 || (logBytes > 0 && logOffset < headerSectionBytes)) {
    throw corrupt(path, 'its header places the log where none can be');
  }
  return {
    slot,
    sequence: block.readBigUInt64LE(8),
    fileWriteGuid: readGuid(block, 16),
    dataWriteGuid: readGuid(block, 32),
    logGuid,
    logOffset,
    logBytes,
  };
}

/**
 * Changes the header by the procedure of MS-VHDX 2.2.2: the older copy first, then the other, each durable before the
 * next step, so that a valid header exists at every moment.
 */
export async function updateHeader(
  file: RandomFile,
  current: CurrentHeader,
  changes: Partial<Pick<VhdxHeader, 'fileWriteGuid' | 'dataWriteGuid' | 'logGuid'>>,
): Promise<CurrentHeader> {
  let header: CurrentHeader = { ...current, ...changes };
  for (let copy = 0; copy < 2; copy++) {
    header = { ...header, sequence: header.sequence + 1n, slot: header.slot === 0 ? 1 : 0 };
    await file.write(encodeHeader(header), headerOffsets[header.slot]);
    await file.sync();
  }
  return header;
}
