/** Recovery keys: 256 random bits for people to write down, as 13 groups of 4 letters and digits, and one of checksum. */
import { hash, randomBytes } from 'node:crypto';

/** Base 32 of RFC 4648: no 0, 1 or 8, which look like letters. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const secretBytes = 32;
/** 256 bits in 5-bit digits. */
const digits = 52;
const checkDigits = 4;

/** A new recovery key. */
export function newRecoveryKey(): string {
  const digitsOfKey = toBase32(randomBytes(secretBytes), digits);
  const text = digitsOfKey + checkOf(digitsOfKey);
  return (text.match(/.{4}/g) ?? []).join('-');
}

/** The digits of a text that is a recovery key, whatever its case and spacing; undefined when it is none or mistyped. */
export function parseRecoveryKey(text: string): string | undefined {
  const compact = text.toUpperCase().replaceAll(/[\s-]/g, '');
  if (!/^[A-Z2-7]+$/.test(compact) || compact.length !== digits + checkDigits) return undefined;
  const key = compact.slice(0, digits);
  return compact.slice(digits) === checkOf(key) ? key : undefined;
}

function checkOf(key: string): string {
  return toBase32(hash('sha256', `tidemark recovery key ${key}`, 'buffer'), checkDigits);
}

function toBase32(bytes: Uint8Array, count: number): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  // Pad to a whole number of digits, so that all bits count.
  const bits = bytes.length * 8;
  value <<= BigInt((5 - (bits % 5)) % 5);
  const all = Math.ceil(bits / 5);
  let text = '';
  for (let index = 0; index < all; index++) {
    text = `${alphabet[Number(value & 31n)] ?? ''}${text}`;
    value >>= 5n;
  }
  return text.slice(0, count);
}
