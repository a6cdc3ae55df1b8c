/**
 * Index segments, version 1: the content of a sealed file of kind 1. Little endian.
 *
 * Header, 16 bytes: version u16, zero u16, superseded segments u32, packs u32, entries u32.
 * Then the ids of the superseded segments, 32 bytes each.
 * Then per pack: pack id 32, file bytes u64, kind u8 (1 data, 2 metadata), 3 zero bytes, entries u32, and the pack's table of contents as it is in the pack.
 */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { checkToc, tocEntryBytes } from './pack-toc.ts';
import type { PackKind } from './pack-toc.ts';

const version = 1;
const headerBytes = 16;
const packHeaderBytes = 48;

/** A pack with its table of contents. */
export interface SegmentPack {
  readonly packId: string;
  readonly kind: PackKind;
  readonly fileBytes: number;
  readonly toc: Uint8Array;
}

/** A decoded segment. */
export interface Segment {
  /** Ids (file names) of segments that this one replaces. */
  readonly supersedes: readonly string[];
  readonly packs: readonly SegmentPack[];
}

/** The content of a segment. */
export function encodeSegment(segment: Segment): Buffer {
  const entries = segment.packs.reduce((sum, pack) => sum + pack.toc.length / tocEntryBytes, 0);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16LE(version, 0);
  header.writeUInt32LE(segment.supersedes.length, 4);
  header.writeUInt32LE(segment.packs.length, 8);
  header.writeUInt32LE(entries, 12);
  const parts: Uint8Array[] = [header, ...segment.supersedes.map((id) => Buffer.from(id, 'hex'))];
  for (const pack of segment.packs) {
    const head = Buffer.alloc(packHeaderBytes);
    head.set(Buffer.from(pack.packId, 'hex'), 0);
    head.writeBigUInt64LE(BigInt(pack.fileBytes), 32);
    head[40] = pack.kind === 'data' ? 1 : 2;
    head.writeUInt32LE(pack.toc.length / tocEntryBytes, 44);
    parts.push(head, pack.toc);
  }
  return Buffer.concat(parts);
}

/** Decodes a segment and checks every table of contents. Throws `TM4008`, `TM4004` when it is newer. */
export function decodeSegment(content: Uint8Array, what: string): Segment {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (bytes.length < headerBytes) throw damaged(what);
  const found = bytes.readUInt16LE(0);
  if (found > version) {
    throw new TidemarkError(errorCodes.repositoryTooNew, `${what} was written by a newer version of Tidemark.`, {
      hint: 'Update Tidemark on this machine.',
    });
  }
  const supersededCount = bytes.readUInt32LE(4);
  const packCount = bytes.readUInt32LE(8);
  const least = headerBytes + supersededCount * 32 + packCount * packHeaderBytes;
  if (found !== version || bytes.length < least) throw damaged(what);
  let position = headerBytes;
  const supersedes: string[] = [];
  for (let index = 0; index < supersededCount; index++, position += 32) {
    supersedes.push(bytes.toString('hex', position, position + 32));
  }
  const packs: SegmentPack[] = [];
  let entries = 0;
  for (let index = 0; index < packCount; index++) {
    const pack = decodePack(bytes, position, what);
    packs.push(pack);
    entries += pack.toc.length / tocEntryBytes;
    position += packHeaderBytes + pack.toc.length;
  }
  if (position !== bytes.length || entries !== bytes.readUInt32LE(12)) throw damaged(what);
  return { supersedes, packs };
}

function decodePack(bytes: Buffer, position: number, what: string): SegmentPack {
  if (position + packHeaderBytes > bytes.length) throw damaged(what);
  const kindByte = bytes[position + 40];
  const fileBytes = Number(bytes.readBigUInt64LE(position + 32));
  const tocStart = position + packHeaderBytes;
  const tocEnd = tocStart + bytes.readUInt32LE(position + 44) * tocEntryBytes;
  if ((kindByte !== 1 && kindByte !== 2) || tocEnd > bytes.length) throw damaged(what);
  const kind: PackKind = kindByte === 1 ? 'data' : 'meta';
  const packId = bytes.toString('hex', position, position + 32);
  const toc = bytes.subarray(tocStart, tocEnd);
  checkToc(toc, kind, fileBytes, `${packId} in ${what}`);
  return { packId, kind, fileBytes, toc };
}

function damaged(what: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `Index segment ${what} is damaged.`, {
    hint: 'It is rebuilt from the packs; nothing is lost.',
  });
}
