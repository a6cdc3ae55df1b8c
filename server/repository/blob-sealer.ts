/** Turns content into sealed blobs. Synchronous, so that it fits worker threads. */
import { createCipheriv, randomFillSync } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';

import { releaseMemory } from '../base/memory.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import {
  blobAad,
  blobField,
  blobHeaderBytes,
  blobMagic,
  blobType,
  compression,
  contentId,
  encryptionAesGcm,
  idBytes,
  parentKey,
} from './blob.ts';
import type { BlobType, SealedBlob } from './blob.ts';
import { blobKey } from './keys.ts';
import type { RepositoryKeys } from './keys.ts';

/** Compressed content is kept only when it saves this share: less is not worth unpacking. */
const minimalSaving = 0.03;
const zeros = Buffer.alloc(4 * 1024 * 1024);
const nonceBytes = 12;

/** Whether content is nothing but zeros. */
export function isZero(content: Uint8Array): boolean {
  for (let offset = 0; offset < content.length; offset += zeros.length) {
    const part = content.subarray(offset, offset + zeros.length);
    if (zeros.compare(part, 0, part.length, 0, part.length) !== 0) return false;
  }
  return true;
}

/** Compresses with zstd level 1; undefined when it does not pay. */
function compress(content: Uint8Array): Uint8Array | undefined {
  const compressed = zstdCompressSync(content, {
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
    // Knowing the length, zstd sets up smaller tables: a quarter of its time for text, more for noise.
    pledgedSrcSize: content.length,
    // One piece of output: zlib's default of 16 KiB pieces costs a copy of everything.
    chunkSize: Math.max(1024, content.length + (content.length >>> 8) + 64),
  });
  if (pays(compressed, content.length)) return compressed;
  releaseMemory(compressed);
  return undefined;
}

function pays(compressed: Uint8Array, rawBytes: number): boolean {
  return compressed.length <= rawBytes * (1 - minimalSaving);
}

/** Seals `content`, whose id is `id`. `compressed` is its zstd frame where one exists already. */
export function sealBlob(
  keys: RepositoryKeys,
  repositoryIdBytes: Uint8Array,
  type: BlobType,
  id: Uint8Array,
  content: Uint8Array,
  compressed?: Uint8Array,
): SealedBlob {
  const packed = compressed !== undefined && pays(compressed, content.length) ? compressed : compress(content);
  const body = packed ?? content;
  const storedBytes = body.length;
  const comp = packed === undefined ? compression.none : compression.zstd;
  const header = Buffer.alloc(blobHeaderBytes);
  header.set(blobMagic, 0);
  header[blobField.type] = type;
  header[9] = comp;
  header[10] = encryptionAesGcm;
  header.writeUInt32LE(storedBytes, blobField.storedBytes);
  header.writeUInt32LE(content.length, blobField.rawBytes);
  header.set(id, blobField.id);
  randomFillSync(header, blobField.nonce, nonceBytes);
  const nonce = header.subarray(blobField.nonce, blobField.nonce + nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', blobKey(parentKey(keys, type), id), nonce);
  cipher.setAAD(blobAad(repositoryIdBytes, header));
  const ciphertext = cipher.update(body);
  cipher.final();
  if (packed !== undefined && packed !== compressed) releaseMemory(packed);
  header.set(cipher.getAuthTag(), blobField.tag);
  return {
    type,
    compression: comp,
    storedBytes,
    rawBytes: content.length,
    id: new Uint8Array(id),
    parts: [header, ciphertext],
    recordBytes: blobHeaderBytes + storedBytes,
  };
}

/** Names and seals chunks. */
export class ChunkSealer {
  readonly #keys: RepositoryKeys;
  readonly #repository: Uint8Array;

  constructor(keys: RepositoryKeys, repository: RepositoryId) {
    this.#keys = keys;
    this.#repository = Buffer.from(repository, 'hex');
  }

  /** Writes the 32-byte id of a chunk to `out` at `position`: zeros for a chunk of zeros. */
  id(plain: Uint8Array, out: Uint8Array, position: number): void {
    if (isZero(plain)) out.fill(0, position, position + idBytes);
    else out.set(contentId(this.#keys, blobType.chunk, plain), position);
  }

  /** Seals a chunk. `compressedByAgent` is a zstd frame that was checked to unpack to `plain`; it is stored as it is. */
  seal(id: Uint8Array, plain: Uint8Array, compressedByAgent?: Uint8Array): SealedBlob {
    return sealBlob(this.#keys, this.#repository, blobType.chunk, id, plain, compressedByAgent);
  }
}
