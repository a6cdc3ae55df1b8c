/** Opens sealed blobs: authenticates, unpacks, and checks that the content is what its id names. */
import { createDecipheriv } from 'node:crypto';

import { releaseMemory } from '../base/memory.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import { blobAad, blobField, blobHeaderBytes, compression, contentId, parentKey, parseBlobHeader } from './blob.ts';
import { blobKey } from './keys.ts';
import type { RepositoryKeys } from './keys.ts';
import { unpackFrame } from './unpack.ts';

/** Opens blobs of one repository. Synchronous, so that it fits worker threads. */
export class BlobOpener {
  readonly #keys: RepositoryKeys;
  readonly #repository: Uint8Array;

  constructor(keys: RepositoryKeys, repository: RepositoryId) {
    this.#keys = keys;
    this.#repository = Buffer.from(repository, 'hex');
  }

  /**
   * The content of `record`, which must be exactly the record of blob `id`. `checkId` hashes the content again: the tag proves
   * that it is what was sealed, the id that what was sealed was right. The content is memory of its own. Throws `TM4010`, naming the blob.
   */
  open(record: Uint8Array, id: Uint8Array, options: { readonly checkId: boolean }): Uint8Array {
    const header = parseBlobHeader(record);
    if (Buffer.compare(header.id, id) !== 0) throw corrupt(id, 'another blob lies in its place');
    if (record.length !== blobHeaderBytes + header.storedBytes) throw corrupt(id, 'its length is wrong');
    const body = this.#decrypt(record, id, parentKey(this.#keys, header.type));
    const content = header.compression === compression.zstd ? unpack(body, header.rawBytes, id) : body;
    if (options.checkId && Buffer.compare(contentId(this.#keys, header.type, content), id) !== 0) {
      throw corrupt(id, 'its content is not what was backed up');
    }
    return content;
  }

  #decrypt(record: Uint8Array, id: Uint8Array, parent: Uint8Array): Uint8Array {
    const nonce = record.subarray(blobField.nonce, blobField.tag);
    const decipher = createDecipheriv('aes-256-gcm', blobKey(parent, id), nonce, { authTagLength: 16 });
    decipher.setAAD(blobAad(this.#repository, record.subarray(0, blobHeaderBytes)));
    decipher.setAuthTag(record.subarray(blobField.tag, blobHeaderBytes));
    const body = decipher.update(record.subarray(blobHeaderBytes));
    try {
      decipher.final();
    } catch (error) {
      throw corrupt(id, 'its bytes have changed', error);
    }
    return body;
  }
}

function unpack(body: Uint8Array, rawBytes: number, id: Uint8Array): Uint8Array {
  let content: Uint8Array | undefined;
  try {
    content = unpackFrame(body, rawBytes);
  } catch (error) {
    throw corrupt(id, 'it does not unpack', error);
  }
  releaseMemory(body);
  if (content === undefined) throw corrupt(id, 'it does not unpack to its length');
  return content;
}

function corrupt(id: Uint8Array, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.blobCorrupt, `Blob ${Buffer.from(id).toString('hex')} is damaged: ${why}.`, {
    hint: '`tidemark repo verify --read-data` names the restore points that need it; the next full backup stores the data again.',
    cause,
  });
}
