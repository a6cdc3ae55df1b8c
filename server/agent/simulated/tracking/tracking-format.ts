/**
 * The pages of a tracking file, 4,096 bytes each with a CRC-32 of their own, little endian; `docs/simulated-host.md`
 * is the format's description. A page is always written whole and aligned, so that a killed process leaves it old or new.
 */
import { crc32 } from 'node:zlib';

import { bitmapPageBytes } from './paged-bitmap.ts';
import { maxEpochs } from './epochs.ts';

/** Bytes of every page of a tracking file. */
export const filePageBytes = 4096;

const magic = 0x5443_5254_4d44_4954n; // "TIDMTRCT" read as a little-endian number
const version = 1;
const pageMagic = 0x4547_4150; // "PAGE"
const crcAt = filePageBytes - 4;
const ordinalsAt = 64;
const bitsAt = 16;
/** Greatest ordinal of an epoch. */
const maxOrdinal = 0x7fff_ffff;

/** Which of the three bitmaps a file holds. */
export const trackingKinds = { memory: 1, rct: 2, mrt: 3 } as const;
export type TrackingKind = keyof typeof trackingKinds;

/** Bytes per bit of each bitmap: the finest in memory, coarser in `.rct`, coarsest in the write-through `.mrt`. */
export const granularities = { memory: 16_384, rct: 65_536, mrt: 1_048_576 } as const satisfies Record<
  TrackingKind,
  number
>;

/** The header page. */
export interface TrackingHeader {
  readonly kind: TrackingKind;
  /** 32 lower-case hex digits. */
  readonly guid: string;
  readonly sizeBytes: number;
  readonly session: number;
  readonly pageCount: number;
  readonly ordinals: readonly number[];
}

/** A page of bits of one epoch. */
export interface BitmapPage {
  readonly ordinal: number;
  readonly index: number;
  readonly bits: Uint8Array;
}

/** The header as a file page. */
export function encodeHeader(header: TrackingHeader): Uint8Array {
  const page = Buffer.alloc(filePageBytes);
  page.writeBigUInt64LE(magic, 0);
  page.writeUInt32LE(version, 8);
  page.writeUInt32LE(trackingKinds[header.kind], 12);
  page.writeUInt32LE(granularities[header.kind], 16);
  page.writeUInt32LE(header.ordinals.length, 20);
  page.writeBigUInt64LE(BigInt(header.sizeBytes), 24);
  page.write(header.guid, 32, 'hex');
  page.writeBigUInt64LE(BigInt(header.session), 48);
  page.writeUInt32LE(header.pageCount, 56);
  header.ordinals.forEach((ordinal, at) => page.writeUInt32LE(ordinal, ordinalsAt + at * 4));
  page.writeUInt32LE(crc32(page.subarray(0, crcAt)), crcAt);
  return page;
}

/** The header of a file of `kind`; undefined when the page is anything else or damaged. */
export function decodeHeader(bytes: Uint8Array, kind: TrackingKind): TrackingHeader | undefined {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (page.length !== filePageBytes || page.readUInt32LE(crcAt) !== crc32(page.subarray(0, crcAt))) return undefined;
  if (page.readBigUInt64LE(0) !== magic || page.readUInt32LE(8) !== version) return undefined;
  if (page.readUInt32LE(12) !== trackingKinds[kind] || page.readUInt32LE(16) !== granularities[kind]) return undefined;
  const count = page.readUInt32LE(20);
  if (count < 1 || count > maxEpochs) return undefined;
  const ordinals: number[] = [];
  for (let at = 0; at < count; at++) {
    const ordinal = page.readUInt32LE(ordinalsAt + at * 4);
    if (ordinal > maxOrdinal || ordinal <= (ordinals.at(-1) ?? -1)) return undefined;
    ordinals.push(ordinal);
  }
  const sizeBytes = Number(page.readBigUInt64LE(24));
  const session = Number(page.readBigUInt64LE(48));
  if (!Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(session)) return undefined;
  return {
    kind,
    guid: page.toString('hex', 32, 48),
    sizeBytes,
    session,
    pageCount: page.readUInt32LE(56),
    ordinals,
  };
}

/** Bits of an epoch as a file page. */
export function encodePage(content: BitmapPage): Uint8Array {
  const page = Buffer.alloc(filePageBytes);
  page.writeUInt32LE(pageMagic, 0);
  page.writeUInt32LE(content.ordinal, 4);
  page.writeUInt32LE(content.index, 8);
  page.set(content.bits, bitsAt);
  page.writeUInt32LE(crc32(page.subarray(0, crcAt)), crcAt);
  return page;
}

/** The bits in a file page, as a view; undefined when it is damaged. */
export function decodePage(bytes: Uint8Array): BitmapPage | undefined {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (page.length !== filePageBytes || page.readUInt32LE(crcAt) !== crc32(page.subarray(0, crcAt))) return undefined;
  if (page.readUInt32LE(0) !== pageMagic) return undefined;
  return {
    ordinal: page.readUInt32LE(4),
    index: page.readUInt32LE(8),
    bits: page.subarray(bitsAt, bitsAt + bitmapPageBytes),
  };
}

/** Bitmap pages that a disk of `sizeBytes` needs at most for one epoch. */
export function maxPagesPerEpoch(sizeBytes: number, kind: TrackingKind): number {
  return Math.ceil(Math.max(1, sizeBytes) / granularities[kind] / (bitmapPageBytes * 8));
}
