/**
 * Blob records, version 1: an 80-byte header and the ciphertext. Integers are little endian.
 *
 * | offset | size | field |
 * | ---: | ---: | --- |
 * | 0 | 8 | magic `42 4C 4F 42 01 0D 0A 1A`; the fifth byte is the version |
 * | 8 | 1 | type: 1 chunk, 2 map page, 3 map root, 4 VM configuration |
 * | 9 | 1 | compression: 0 none, 1 zstd |
 * | 10 | 1 | encryption: 1 AES-256-GCM with a key of its own for each id |
 * | 11 | 1 | zero |
 * | 12 | 4 | storedBytes: length of the ciphertext |
 * | 16 | 4 | rawBytes: length of the plain content |
 * | 20 | 32 | id |
 * | 52 | 12 | nonce |
 * | 64 | 16 | GCM tag |
 * | 80 | n | ciphertext |
 *
 * Key: HMAC-SHA-256(K_data for chunks, K_meta for the rest; `"blob"` ‖ id). Additional data: the repository's id (16 bytes) ‖
 * header bytes 8 to 51. A record holds all that is needed to open it, so it can move to another pack unchanged.
 */
import { createHmac, hash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { preparedKey } from './keys.ts';
import type { RepositoryKeys } from './keys.ts';

export const idBytes = 32;
export const blobHeaderBytes = 80;
/** Largest plain content of a blob: a chunk is at most 4 MiB, a VM configuration may be larger. */
export const maxBlobBytes = 64 * 1024 * 1024;

export const blobMagic: Uint8Array = Uint8Array.of(0x42, 0x4c, 0x4f, 0x42, 0x01, 0x0d, 0x0a, 0x1a);

export const blobType = { chunk: 1, mapPage: 2, mapRoot: 3, vmConfig: 4 } as const;
/** What a blob is. */
export type BlobType = (typeof blobType)[keyof typeof blobType];

export const compression = { none: 0, zstd: 1 } as const;
export type Compression = (typeof compression)[keyof typeof compression];

/** The one encryption of version 1. */
export const encryptionAesGcm = 1;

/** Where the header's fields lie. */
export const blobField = { type: 8, storedBytes: 12, rawBytes: 16, id: 20, nonce: 52, tag: 64 } as const;

/** A blob header without its secrets' parts. */
export interface BlobHeader {
  readonly type: BlobType;
  readonly compression: Compression;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly id: Uint8Array;
}

/** A blob ready for a pack. */
export interface SealedBlob extends BlobHeader {
  /** The record: header, then ciphertext. */
  readonly parts: readonly Uint8Array[];
  readonly recordBytes: number;
}

/** The blob type of a byte; undefined when there is none. */
export function parseBlobType(value: number | undefined): BlobType | undefined {
  return Object.values(blobType).find((type) => type === value);
}

/** The compression of a byte; undefined when there is none. */
export function parseCompression(value: number | undefined): Compression | undefined {
  return value === compression.none || value === compression.zstd ? value : undefined;
}

/** Reads the header of a record that begins at byte 0. Throws `TM4010`. */
export function parseBlobHeader(record: Uint8Array): BlobHeader {
  if (record.length < blobHeaderBytes) throw notABlob('is cut off');
  if (Buffer.compare(record.subarray(0, blobMagic.length), blobMagic) !== 0) throw notABlob('has no blob header');
  const type = parseBlobType(record[8]);
  const comp = parseCompression(record[9]);
  if (type === undefined || comp === undefined || record[10] !== encryptionAesGcm || record[11] !== 0) {
    throw notABlob('has an unknown type or encoding');
  }
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const storedBytes = view.getUint32(blobField.storedBytes, true);
  const rawBytes = view.getUint32(blobField.rawBytes, true);
  const id = new Uint8Array(record.subarray(blobField.id, blobField.id + idBytes));
  return checkedHeader({ type, compression: comp, storedBytes, rawBytes, id });
}

/** Refuses lengths that no writer makes. Throws `TM4010`. */
export function checkedHeader(header: BlobHeader): BlobHeader {
  const { storedBytes, rawBytes } = header;
  if (rawBytes === 0 || rawBytes > maxBlobBytes || storedBytes > rawBytes) throw notABlob('has impossible lengths');
  if (header.compression === compression.none && storedBytes !== rawBytes) throw notABlob('has impossible lengths');
  return header;
}

function notABlob(why: string): TidemarkError {
  return new TidemarkError(errorCodes.blobCorrupt, `A record in a pack ${why}.`, {
    hint: '`tidemark repo verify` names the restore points that need it; the next backup stores the data again.',
  });
}

/** The additional authenticated data of a record. */
export function blobAad(repositoryIdBytes: Uint8Array, header: Uint8Array): Uint8Array {
  return Buffer.concat([repositoryIdBytes, header.subarray(blobField.type, blobField.nonce)]);
}

/** The key that the keys of blobs of this type are derived from. */
export function parentKey(keys: RepositoryKeys, type: BlobType): Uint8Array {
  return type === blobType.chunk ? keys.data : keys.meta;
}

/**
 * The keyed id of content: HMAC-SHA-256(K_id, SHA-256(content)), for metadata with the type's byte before the hash, so that a
 * chunk that happens to equal a map page is not taken for one.
 */
export function contentId(keys: RepositoryKeys, type: BlobType, content: Uint8Array): Buffer {
  const mac = createHmac('sha256', preparedKey(keys.id));
  if (type !== blobType.chunk) mac.update(Uint8Array.of(type));
  return mac.update(hash('sha256', content, 'buffer')).digest();
}

/** Whether the id at `position` is that of zeros. */
export function isZeroId(ids: Uint8Array, position: number): boolean {
  for (let byte = 0; byte < idBytes; byte++) {
    if (ids[position + byte] !== 0) return false;
  }
  return true;
}
