/** What `sim load` writes, and where: the same for the same seed and disk. */

/** Bytes of one write: 25 pages of 4 KiB. */
export const loadWriteBytes = 102_400;

/** 32-bit mixing function (the finaliser of MurmurHash3, in the public domain). */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * The numbers from 0 to `count` - 1 in a shuffled order, without holding them: a Feistel network over the next even
 * number of bits, walking on while the result is too large.
 */
export function shuffled(count: number, seed: number): (index: number) => number {
  let halfBits = 1;
  while (4 ** halfBits < count) halfBits += 1;
  const half = 2 ** halfBits;
  return (index) => {
    let value = index;
    do {
      let left = Math.floor(value / half);
      let right = value % half;
      for (let round = 0; round < 4; round++) {
        const next = (left + mix(right ^ mix(seed + round * 0x9e37_79b9))) % half;
        left = right;
        right = next;
      }
      value = left * half + right;
    } while (value >= count);
    return value;
  };
}

const words = (
  'the backup of every virtual machine ends with a restore that somebody needs error warning info service started ' +
  'stopped user login page table index commit transaction select insert where host disk volume snapshot block 200 404'
).split(' ');

/** Fills `target` with what a guest might write at place `place`: log-like text for one half of all places, noise for the other. */
export function fillLoad(target: Uint8Array, seed: number, place: number): void {
  let state = mix(mix(seed) ^ mix(place + 1)) || 1;
  const next = (): number => {
    // xorshift32, G. Marsaglia, "Xorshift RNGs", 2003.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const view = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
  if (next() % 2 === 0) {
    let at = 0;
    for (; at + 4 <= view.length; at += 4) view.writeUInt32LE(next(), at);
    for (; at < view.length; at++) view[at] = next() & 0xff;
    return;
  }
  for (let at = 0; at < view.length;) {
    const word = next() % 12 === 0 ? `${next() % 100_000}\n` : `${words[next() % words.length] ?? ''} `;
    at += view.write(word, at, 'latin1');
  }
}
