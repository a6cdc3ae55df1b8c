/** ULIDs: 48 bits of time (ms) and 80 random bits in Crockford's base 32, sortable as text. Source: github.com/ulid/spec. */
import { randomBytes } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
let last = { time: -1, random: 0n };

/** A new ULID; within one process each is greater than the one before, also within a millisecond and when the clock goes back. */
export function ulid(now: number = Date.now()): string {
  const time = Math.max(now, last.time);
  const random = time === last.time ? last.random + 1n : BigInt(`0x${randomBytes(10).toString('hex')}`) >> 1n;
  last = { time, random };
  let value = (BigInt(time) << 80n) | random;
  let text = '';
  for (let position = 0; position < 26; position++) {
    text = `${alphabet[Number(value & 31n)] ?? ''}${text}`;
    value >>= 5n;
  }
  return text;
}

/** The time (ms since 1970) inside a ULID. */
export function ulidTime(text: string): number {
  let value = 0;
  for (const character of text.slice(0, 10)) value = value * 32 + alphabet.indexOf(character);
  return value;
}
