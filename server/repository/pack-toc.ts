/**
 * The tail of a pack, version 1: a table of contents and a footer, so that the index can be rebuilt from the packs. Little endian.
 *
 * Table of contents, 48 bytes a blob: id 32, offset of the record u32, storedBytes u32, rawBytes u32, type u8, compression u8,
 * encryption u8, zero. Records follow each other from byte 0 without gaps, up to the table.
 *
 * Footer, 64 bytes: magic `50 41 43 4B 0D 0A 1A 0A`, version u16, zero u16, count u32, offset of the table u64, length of the
 * table u32, SHA-256 of the table 32, zero u32.
 */
import { hash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { blobHeaderBytes, encryptionAesGcm, idBytes, maxBlobBytes, parseBlobType, parseCompression } from './blob.ts';
import { blobType } from './blob.ts';
import type { BlobHeader, BlobType, Compression } from './blob.ts';
import type { StorageBackend } from './backend.ts';

export const tocEntryBytes = 48;
export const footerBytes = 64;
/** A pack is at most this large: a metadata pack that is full but for one byte, and then the largest blob. */
export const maxPackBytes = 128 * 1024 * 1024;
const footerMagic = Buffer.from('5041434b0d0a1a0a', 'hex');
const footerVersion = 1;

/** Which packs: chunks lie in data packs, everything else in metadata packs. */
export type PackKind = 'data' | 'meta';

/** A blob as a table of contents names it. */
export interface TocEntry extends BlobHeader {
  readonly type: BlobType;
  readonly compression: Compression;
  /** Of the record in the pack. */
  readonly offset: number;
}

/** Name of a pack in its backend. */
export function packName(kind: PackKind, packId: string): string {
  return `${kind === 'data' ? 'd' : 'm'}/${packId.slice(0, 2)}/${packId}`;
}

const packNamePattern = /^([dm])\/([0-9a-f]{2})\/([0-9a-f]{64})$/;

/** The pack that a file name names; undefined for other files. */
export function parsePackName(name: string): { readonly kind: PackKind; readonly packId: string } | undefined {
  const [, folder, prefix, packId] = packNamePattern.exec(name) ?? [];
  if (packId === undefined || prefix === undefined || !packId.startsWith(prefix)) return undefined;
  return { kind: folder === 'd' ? 'data' : 'meta', packId };
}

/** Writes one entry to `out` at `position`. */
export function writeTocEntry(out: Buffer, position: number, entry: TocEntry): void {
  out.set(entry.id, position);
  out.writeUInt32LE(entry.offset, position + 32);
  out.writeUInt32LE(entry.storedBytes, position + 36);
  out.writeUInt32LE(entry.rawBytes, position + 40);
  out[position + 44] = entry.type;
  out[position + 45] = entry.compression;
  out[position + 46] = encryptionAesGcm;
  out[position + 47] = 0;
}

/** The footer for a table of contents that begins at `tocOffset`. */
export function encodeFooter(toc: Uint8Array, tocOffset: number): Buffer {
  const footer = Buffer.alloc(footerBytes);
  footer.set(footerMagic, 0);
  footer.writeUInt16LE(footerVersion, 8);
  footer.writeUInt32LE(toc.length / tocEntryBytes, 12);
  footer.writeBigUInt64LE(BigInt(tocOffset), 16);
  footer.writeUInt32LE(toc.length, 24);
  footer.set(hash('sha256', toc, 'buffer'), 28);
  return footer;
}

/** Checks a table of contents against the size of its file, in one pass and without allocating per entry. Throws `TM4008`. */
export function checkToc(toc: Uint8Array, kind: PackKind, fileBytes: number, what: string): void {
  if (toc.length === 0 || toc.length % tocEntryBytes !== 0)
    throw badPack(what, 'its table of contents has a wrong length');
  if (fileBytes > maxPackBytes) throw badPack(what, 'it is too large');
  const view = new DataView(toc.buffer, toc.byteOffset, toc.byteLength);
  let offset = 0;
  for (let position = 0; position < toc.length; position += tocEntryBytes) {
    const type = parseBlobType(toc[position + 44]);
    const comp = parseCompression(toc[position + 45]);
    const stored = view.getUint32(position + 36, true);
    const raw = view.getUint32(position + 40, true);
    if (
      type === undefined ||
      comp === undefined ||
      toc[position + 46] !== encryptionAesGcm ||
      toc[position + 47] !== 0
    ) {
      throw badPack(what, 'its table of contents names unknown types');
    }
    if ((type === blobType.chunk) !== (kind === 'data')) throw badPack(what, 'it holds blobs of another kind');
    if (view.getUint32(position + 32, true) !== offset) throw badPack(what, 'its table of contents has gaps');
    if (raw === 0 || raw > maxBlobBytes || stored > raw || (comp === 0 && stored !== raw)) {
      throw badPack(what, 'its table of contents has impossible lengths');
    }
    offset += blobHeaderBytes + stored;
  }
  if (offset + toc.length + footerBytes !== fileBytes)
    throw badPack(what, 'its length does not fit its table of contents');
}

/** Reads entry number `index` of a checked table of contents. */
export function readTocEntry(toc: Uint8Array, index: number): TocEntry {
  const position = index * tocEntryBytes;
  const view = new DataView(toc.buffer, toc.byteOffset, toc.byteLength);
  const type = parseBlobType(toc[position + 44]);
  const comp = parseCompression(toc[position + 45]);
  if (type === undefined || comp === undefined) throw badPack('A pack', 'its table of contents names unknown types');
  return {
    id: new Uint8Array(toc.subarray(position, position + idBytes)),
    offset: view.getUint32(position + 32, true),
    storedBytes: view.getUint32(position + 36, true),
    rawBytes: view.getUint32(position + 40, true),
    type,
    compression: comp,
  };
}

/** Reads and checks the table of contents of a pack. Throws `TM4008`, and `TM4004` when a newer version wrote it. */
export async function readToc(
  backend: StorageBackend,
  name: string,
  kind: PackKind,
  fileBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (fileBytes < footerBytes + tocEntryBytes) throw badPack(name, 'it is cut off');
  if (fileBytes > maxPackBytes) throw badPack(name, 'it is too large');
  const tailBytes = Math.min(fileBytes, 64 * 1024);
  const tail = await backend.get(name, { range: { offset: fileBytes - tailBytes, length: tailBytes }, signal });
  const { tocOffset, tocBytes, sha256 } = parseFooter(tail.subarray(tailBytes - footerBytes), name, fileBytes);
  const inTail = tocBytes + footerBytes <= tailBytes;
  const toc = inTail
    ? new Uint8Array(tail.subarray(tailBytes - footerBytes - tocBytes, tailBytes - footerBytes))
    : await backend.get(name, { range: { offset: tocOffset, length: tocBytes }, signal });
  if (!hash('sha256', toc, 'buffer').equals(sha256)) throw badPack(name, 'its table of contents has changed');
  checkToc(toc, kind, fileBytes, name);
  return toc;
}

/** Reads the footer of a file of `fileBytes`. Throws `TM4008` or `TM4004`. */
export function parseFooter(
  footer: Uint8Array,
  name: string,
  fileBytes: number,
): { readonly tocOffset: number; readonly tocBytes: number; readonly sha256: Uint8Array } {
  const bytes = Buffer.from(footer.buffer, footer.byteOffset, footer.byteLength);
  if (bytes.length !== footerBytes || bytes.compare(footerMagic, 0, 8, 0, 8) !== 0)
    throw badPack(name, 'it has no footer');
  const version = bytes.readUInt16LE(8);
  if (version > footerVersion) {
    throw new TidemarkError(errorCodes.repositoryTooNew, `Pack ${name} was written by a newer version of Tidemark.`, {
      hint: 'Update Tidemark on this machine.',
    });
  }
  const count = bytes.readUInt32LE(12);
  const tocOffset = Number(bytes.readBigUInt64LE(16));
  const tocBytes = bytes.readUInt32LE(24);
  if (
    version !== footerVersion ||
    tocBytes !== count * tocEntryBytes ||
    tocOffset + tocBytes + footerBytes !== fileBytes
  ) {
    throw badPack(name, 'its footer has impossible lengths');
  }
  return { tocOffset, tocBytes, sha256: bytes.subarray(28, 60) };
}

function badPack(what: string, why: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `Pack ${what} is damaged: ${why}.`, {
    hint: '`tidemark repo verify` names the restore points that need it.',
  });
}
