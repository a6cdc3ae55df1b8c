/**
 * Key slots, `keys/<slotId>.json`: the master secret, wrapped with a key made of a password (scrypt, RFC 7914) or of the
 * recovery key (HKDF-SHA-256, since it is random already). Wrapping: AES-256-GCM; additional data: canonical JSON of the slot without `wrap`.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId } from '../protocol/ids.ts';
import { repositoryId } from '../protocol/ids.ts';
import { timestamp } from '../protocol/model.ts';
import { integer, literal, object, oneOf, string, union } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';
import { keyBytes } from './keys.ts';
import { canonicalJson } from './self-checked.ts';

/** scrypt parameters of new slots: 64 MiB of memory, about a third of a second. */
const newScrypt = { n: 65_536, r: 8, p: 2 } as const;
/** Memory that a slot may ask for; scrypt takes 128 × N × r bytes. A hostile slot must not be able to stop the daemon. */
const maxScryptBytes = 256 * 1024 * 1024;
/** Work that a slot may ask for, in blocks: 16 times that of a new slot takes some seconds. */
const maxScryptWork = 16 * newScrypt.n * newScrypt.r * newScrypt.p;

const base64 = (bytes: number): ReturnType<typeof string> =>
  string({ maxLength: Math.ceil(bytes / 3) * 4, pattern: /^[A-Za-z0-9+/]+={0,2}$/, what: `${bytes} bytes in base64` });

const wrap = object({
  algorithm: literal('aes-256-gcm'),
  nonce: base64(12),
  tag: base64(16),
  ciphertext: base64(keyBytes),
});
const slotFields = {
  version: literal(1),
  id: string({ maxLength: 32, pattern: /^[0-9a-f]{32}$/, what: 'a slot id' }),
  repository: repositoryId,
  kind: oneOf('password', 'recovery'),
  createdAt: timestamp,
  kdf: union('name', {
    scrypt: object({
      name: literal('scrypt'),
      n: integer(1024, 1 << 22),
      r: integer(1, 64),
      p: integer(1, 64),
      salt: base64(32),
    }),
    'hkdf-sha256': object({ name: literal('hkdf-sha256'), salt: base64(32) }),
  }),
};
const unwrapped = object(slotFields);

/** Parses a slot. */
export const keySlot = object({ ...slotFields, wrap });
export type KeySlot = Parsed<typeof keySlot>;
type UnwrappedSlot = Parsed<typeof unwrapped>;

/** Wraps the master secret for `secret`: a password, or the digits of a recovery key. */
export async function sealSlot(
  kind: KeySlot['kind'],
  secret: string,
  masterSecret: Uint8Array,
  repository: RepositoryId,
  createdAt: string,
): Promise<KeySlot> {
  const salt = randomBytes(32).toString('base64');
  const slot: UnwrappedSlot = {
    version: 1,
    id: randomBytes(16).toString('hex'),
    repository,
    kind,
    createdAt,
    kdf: kind === 'password' ? { name: 'scrypt', ...newScrypt, salt } : { name: 'hkdf-sha256', salt },
  };
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', await wrappingKey(slot, secret), nonce);
  cipher.setAAD(additionalData(slot));
  const ciphertext = Buffer.concat([cipher.update(masterSecret), cipher.final()]).toString('base64');
  const tag = cipher.getAuthTag().toString('base64');
  return { ...slot, wrap: { algorithm: 'aes-256-gcm', nonce: nonce.toString('base64'), tag, ciphertext } };
}

/** The master secret; undefined when the secret is not this slot's. Throws `TM4008` for a slot that asks for too much. */
export async function openSlot(slot: KeySlot, secret: string): Promise<Uint8Array | undefined> {
  const nonce = Buffer.from(slot.wrap.nonce, 'base64');
  const tag = Buffer.from(slot.wrap.tag, 'base64');
  const ciphertext = Buffer.from(slot.wrap.ciphertext, 'base64');
  if (nonce.length !== 12 || tag.length !== 16 || ciphertext.length !== keyBytes) throw badSlot(slot.id);
  const decipher = createDecipheriv('aes-256-gcm', await wrappingKey(slot, secret), nonce, { authTagLength: 16 });
  decipher.setAAD(additionalData(unwrapped(slot, 'slot')));
  decipher.setAuthTag(tag);
  const master = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    // A wrong password and a changed slot look the same: neither opens it.
    return undefined;
  }
  return new Uint8Array(master);
}

function additionalData(slot: UnwrappedSlot): Buffer {
  return Buffer.from(canonicalJson(slot));
}

async function wrappingKey(slot: UnwrappedSlot, secret: string): Promise<Uint8Array> {
  const { kdf } = slot;
  const salt = Buffer.from(kdf.salt, 'base64');
  if (kdf.name === 'hkdf-sha256')
    return new Uint8Array(hkdfSync('sha256', secret, salt, 'tidemark recovery slot', keyBytes));
  const { n, r, p } = kdf;
  if (!Number.isInteger(Math.log2(n)) || 128 * n * r > maxScryptBytes || n * r * p > maxScryptWork)
    throw badSlot(slot.id);
  // Unicode has several spellings of one text; keyboards differ in which they type.
  const password = secret.normalize('NFC');
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, { N: n, r, p, maxmem: maxScryptBytes + 16 * 1024 * 1024 }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function badSlot(id: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `Key slot ${id} has impossible values.`);
}
