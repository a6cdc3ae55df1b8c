/** The keys of a repository, all derived from one random master secret. Format: docs/repository-format.md, "Keys". */
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import type { RepositoryId } from '../protocol/ids.ts';

/** Length of the master secret and of every key. */
export const keyBytes = 32;

/** Keys in the form that worker threads can be given. Never logged, never in an error. */
export interface RepositoryKeys {
  /** Names chunks and metadata blobs. */
  readonly id: Uint8Array;
  /** Encrypts chunks. */
  readonly data: Uint8Array;
  /** Encrypts metadata blobs and sealed files. */
  readonly meta: Uint8Array;
  /** Kept for signatures over restore points. */
  readonly sign: Uint8Array;
}

/** Derives the keys: HKDF-SHA-256 (RFC 5869), salted with the repository's id. */
export function deriveKeys(masterSecret: Uint8Array, repository: RepositoryId): RepositoryKeys {
  const salt = Buffer.from(repository, 'hex');
  const derive = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', masterSecret, salt, `tidemark repository ${purpose}`, keyBytes));
  return { id: derive('id'), data: derive('data'), meta: derive('meta'), sign: derive('sign') };
}

const prepared = new WeakMap<Uint8Array, KeyObject>();

/** A key as Node wants it. Raw bytes it would prepare for every use, at a third of the cost of hashing a chunk. */
export function preparedKey(key: Uint8Array): KeyObject {
  const known = prepared.get(key);
  if (known !== undefined) return known;
  const made = createSecretKey(key);
  prepared.set(key, made);
  return made;
}

/** The key of one blob. Its own key for each id means that random nonces never run out. */
export function blobKey(parent: Uint8Array, id: Uint8Array): KeyObject {
  return createSecretKey(createHmac('sha256', preparedKey(parent)).update('blob').update(id).digest());
}

/** The key of the sealed files of one logical name. */
export function sealedFileKey(keys: RepositoryKeys, logicalName: string): KeyObject {
  return createSecretKey(createHmac('sha256', preparedKey(keys.meta)).update('file').update(logicalName).digest());
}
