/** Entries of the log: MS-VHDX 2.3. */
import { structureChecksum } from './crc32c.ts';
import { readGuid, writeGuid } from './guid.ts';
import type { Guid } from './guid.ts';

/** The log works in sectors of this size, whatever the disk's sectors are. */
export const logSectorBytes = 4096;
const headerBytes = 64;
const descriptorBytes = 32;
/** Descriptors that fit beside the header in an entry's first sector. */
export const firstSectorDescriptors = (logSectorBytes - headerBytes) / descriptorBytes;

/** A sector of the file and its new content. */
export interface LoggedSector {
  readonly offset: number;
  readonly data: Buffer;
}

/** One change that an entry makes. */
export type LogChange =
  | { readonly kind: 'data'; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'zero'; readonly offset: number; readonly length: number };

/** The fixed part of an entry. */
export interface LogEntryHeader {
  /** Bytes of the whole entry. */
  readonly length: number;
  /** Where in the log the oldest entry lies that must be replayed with this one. */
  readonly tail: number;
  readonly sequence: bigint;
  readonly logGuid: Guid;
  /** The file had at least this size, durably, when the entry was written. */
  readonly flushedFileBytes: number;
  /** The size that the file must have after replay, at least. */
  readonly lastFileBytes: number;
  readonly descriptorCount: number;
}

/** An entry that was found valid. */
export interface LogEntry extends LogEntryHeader {
  readonly changes: readonly LogChange[];
}

/** The header at the start of `sector`, without its checksum being checked; undefined when there is none. */
export function decodeEntryHeader(sector: Buffer): LogEntryHeader | undefined {
  if (sector.toString('latin1', 0, 4) !== 'loge') return undefined;
  return {
    length: sector.readUInt32LE(8),
    tail: sector.readUInt32LE(12),
    sequence: sector.readBigUInt64LE(16),
    descriptorCount: sector.readUInt32LE(24),
    logGuid: readGuid(sector, 32),
    flushedFileBytes: Number(sector.readBigUInt64LE(48)),
    lastFileBytes: Number(sector.readBigUInt64LE(56)),
  };
}

/** Reads a whole entry; undefined when anything in it is wrong, as after a torn write. */
export function decodeEntry(bytes: Buffer): LogEntry | undefined {
  const header = decodeEntryHeader(bytes);
  if (header === undefined || bytes.readUInt32LE(4) !== structureChecksum(bytes, 4)) return undefined;
  const { sequence, descriptorCount } = header;
  const dataStart = roundUp(headerBytes + descriptorCount * descriptorBytes);
  if (sequence === 0n || dataStart > bytes.length) return undefined;
  const changes: LogChange[] = [];
  let sector = dataStart;
  for (let index = 0; index < descriptorCount; index++) {
    const at = headerBytes + index * descriptorBytes;
    if (bytes.readBigUInt64LE(at + 24) !== sequence) return undefined;
    const offset = Number(bytes.readBigUInt64LE(at + 16));
    if (offset % logSectorBytes !== 0) return undefined;
    const signature = bytes.toString('latin1', at, at + 4);
    if (signature === 'zero') {
      const length = Number(bytes.readBigUInt64LE(at + 8));
      if (length % logSectorBytes !== 0) return undefined;
      changes.push({ kind: 'zero', offset, length });
    } else if (signature === 'desc') {
      const data = decodeDataSector(bytes, sector, at, sequence);
      if (data === undefined) return undefined;
      changes.push({ kind: 'data', offset, data });
      sector += logSectorBytes;
    } else {
      return undefined;
    }
  }
  return { ...header, changes };
}

const roundUp = (bytes: number): number => Math.ceil(bytes / logSectorBytes) * logSectorBytes;

/** A data sector lends 12 of its bytes to signature and sequence number; the descriptor keeps what was there. */
function decodeDataSector(bytes: Buffer, sector: number, descriptor: number, sequence: bigint): Buffer | undefined {
  if (sector + logSectorBytes > bytes.length || bytes.toString('latin1', sector, sector + 4) !== 'data') {
    return undefined;
  }
  const high = BigInt(bytes.readUInt32LE(sector + 4));
  const low = BigInt(bytes.readUInt32LE(sector + logSectorBytes - 4));
  if (high * 2n ** 32n + low !== sequence) return undefined;
  const data = Buffer.from(bytes.subarray(sector, sector + logSectorBytes));
  bytes.copy(data, 0, descriptor + 8, descriptor + 16);
  bytes.copy(data, logSectorBytes - 4, descriptor + 4, descriptor + 8);
  return data;
}

/** An entry that replaces whole sectors; at most `firstSectorDescriptors` of them. */
export function encodeEntry(
  header: Pick<LogEntryHeader, 'tail' | 'sequence' | 'logGuid' | 'flushedFileBytes' | 'lastFileBytes'>,
  sectors: readonly LoggedSector[],
): Buffer {
  const entry = Buffer.alloc((1 + sectors.length) * logSectorBytes);
  const { sequence } = header;
  entry.write('loge', 'latin1');
  entry.writeUInt32LE(entry.length, 8);
  entry.writeUInt32LE(header.tail, 12);
  entry.writeBigUInt64LE(sequence, 16);
  entry.writeUInt32LE(sectors.length, 24);
  writeGuid(entry, header.logGuid, 32);
  entry.writeBigUInt64LE(BigInt(header.flushedFileBytes), 48);
  entry.writeBigUInt64LE(BigInt(header.lastFileBytes), 56);
  for (const [index, { offset, data }] of sectors.entries()) {
    const at = headerBytes + index * descriptorBytes;
    const sector = (1 + index) * logSectorBytes;
    entry.write('desc', at, 'latin1');
    data.copy(entry, at + 4, logSectorBytes - 4);
    data.copy(entry, at + 8, 0, 8);
    entry.writeBigUInt64LE(BigInt(offset), at + 16);
    entry.writeBigUInt64LE(sequence, at + 24);
    data.copy(entry, sector);
    entry.write('data', sector, 'latin1');
    entry.writeUInt32LE(Number(sequence >> 32n), sector + 4);
    entry.writeUInt32LE(Number(sequence & 0xffff_ffffn), sector + logSectorBytes - 4);
  }
  entry.writeUInt32LE(structureChecksum(entry, 4), 4);
  return entry;
}
