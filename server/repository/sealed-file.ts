/**
 * Sealed files, version 1: everything encrypted that is not in a pack. Little endian.
 *
 * | offset | size | field |
 * | ---: | ---: | --- |
 * | 0 | 8 | magic `54 4D 53 46 0D 0A 1A 0A` |
 * | 8 | 1 | version |
 * | 9 | 1 | kind: 1 index segment, 2 restore point, 3 condemned packs, 4 damage, 5 pin |
 * | 10 | 2 | zero |
 * | 12 | 4 | rawBytes: length of the content |
 * | 16 | 12 | nonce |
 * | 28 | 16 | GCM tag |
 * | 44 | n | AES-256-GCM of the content's zstd frame |
 *
 * Key: HMAC-SHA-256(K_meta, `"file"` ‖ logical name). Additional data: the repository's id (16 bytes) ‖ header bytes 0 to 15 ‖
 * logical name, UTF-8: its file name, or `index` for segments, whose file names depend on their bytes. So no file can stand in for another.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import { sealedFileKey } from './keys.ts';
import type { RepositoryKeys } from './keys.ts';

export const sealedKind = { segment: 1, restorePoint: 2, condemned: 3, damage: 4, pin: 5 } as const;
export type SealedKind = (typeof sealedKind)[keyof typeof sealedKind];

const magic = Buffer.from('544d53460d0a1a0a', 'hex');
const version = 1;
const headerBytes = 44;
const nonceOffset = 16;
const tagOffset = 28;
/** Largest content: an index segment of 1 Mi entries fits. */
export const maxSealedBytes = 64 * 1024 * 1024;

/** Seals files of one repository. */
export class FileSealer {
  readonly #keys: RepositoryKeys;
  readonly #repository: Buffer;

  constructor(keys: RepositoryKeys, repository: RepositoryId) {
    this.#keys = keys;
    this.#repository = Buffer.from(repository, 'hex');
  }

  /** The file for `content`. */
  seal(kind: SealedKind, logicalName: string, content: Uint8Array): Buffer {
    const packed = zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    const file = Buffer.alloc(headerBytes + packed.length);
    file.set(magic, 0);
    file[8] = version;
    file[9] = kind;
    file.writeUInt32LE(content.length, 12);
    file.set(randomBytes(12), nonceOffset);
    const nonce = file.subarray(nonceOffset, tagOffset);
    const cipher = createCipheriv('aes-256-gcm', sealedFileKey(this.#keys, logicalName), nonce);
    cipher.setAAD(this.#aad(file, logicalName));
    file.set(cipher.update(packed), headerBytes);
    cipher.final();
    file.set(cipher.getAuthTag(), tagOffset);
    return file;
  }

  /** The content of a file. Throws `TM4008`, naming `fileName`, when it was changed, moved or cut; `TM4004` when it is newer. */
  open(kind: SealedKind, logicalName: string, file: Uint8Array, fileName: string): Uint8Array {
    if (file.length < headerBytes || magic.compare(file, 0, 8) !== 0) throw damaged(fileName, 'is not complete');
    if ((file[8] ?? 0) > version) {
      throw new TidemarkError(errorCodes.repositoryTooNew, `${fileName} was written by a newer version of Tidemark.`, {
        hint: 'Update Tidemark on this machine.',
      });
    }
    if (file[8] !== version || file[9] !== kind) throw damaged(fileName, 'is of another kind');
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const rawBytes = view.getUint32(12, true);
    if (rawBytes > maxSealedBytes) throw damaged(fileName, 'is larger than it can be');
    const packed = this.#decrypt(logicalName, file, fileName);
    return unpack(packed, rawBytes, fileName);
  }

  #decrypt(logicalName: string, file: Uint8Array, fileName: string): Uint8Array {
    const key = sealedFileKey(this.#keys, logicalName);
    const decipher = createDecipheriv('aes-256-gcm', key, file.subarray(nonceOffset, tagOffset), { authTagLength: 16 });
    decipher.setAAD(this.#aad(file, logicalName));
    decipher.setAuthTag(file.subarray(tagOffset, headerBytes));
    const packed = decipher.update(file.subarray(headerBytes));
    try {
      decipher.final();
    } catch (error) {
      throw damaged(fileName, 'was changed or does not belong there', error);
    }
    return packed;
  }

  #aad(file: Uint8Array, logicalName: string): Buffer {
    return Buffer.concat([this.#repository, file.subarray(0, nonceOffset), Buffer.from(logicalName, 'utf8')]);
  }
}

function unpack(packed: Uint8Array, rawBytes: number, fileName: string): Uint8Array {
  let content: Uint8Array;
  try {
    content = zstdDecompressSync(packed, { maxOutputLength: Math.max(1, rawBytes) });
  } catch (error) {
    throw damaged(fileName, 'does not unpack', error);
  }
  if (content.length !== rawBytes) throw damaged(fileName, 'does not unpack to its length');
  return content;
}

function damaged(fileName: string, how: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${fileName} in the repository ${how}.`, {
    hint: '`tidemark repo verify` says what is affected.',
    cause,
  });
}
