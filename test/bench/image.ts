/** The bench's disk image: seeded, so that every tool and every run reads the same bytes. */
import { createCipheriv, createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

const kib = 1024;
const mib = 1024 * kib;

/** A place in the image and what is there. */
export interface Region {
  readonly offset: number;
  readonly length: number;
  readonly kind: 'text' | 'noise';
}

/** Numbers from 0 to 1 that depend on the seed alone (xorshift128, Marsaglia 2003). */
export function seededRandom(seed: string): () => number {
  const digest = createHash('sha256').update(seed).digest();
  let a = digest.readInt32LE(0);
  let b = digest.readInt32LE(4);
  let c = digest.readInt32LE(8);
  let d = digest.readInt32LE(12);
  return () => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    d ^= (d >>> 19) ^ t ^ (t >>> 8);
    return (d >>> 0) / 2 ** 32;
  };
}

/** Words of the text-like data; the first ones come far more often than the last. */
const wordCount = 4096;
const slotBytes = 16;
/** Every so many words a number comes that occurs nowhere else, so that no two chunks are the same. */
const numberEvery = 12;

/** A source of bytes for regions; `text` packs to about 0.45 of its size with zstd level 1, `noise` not at all. */
export class RegionFiller {
  readonly #random: () => number;
  /** A length and so many bytes for each word. */
  readonly #words = new Uint8Array(wordCount * slotBytes);
  readonly #noise: ReturnType<typeof createCipheriv>;

  constructor(seed: string) {
    const random = seededRandom(`${seed}/words`);
    this.#random = random;
    for (let slot = 0; slot < this.#words.length; slot += slotBytes) {
      const letters = Array.from({ length: 3 + Math.floor(random() * 8) }, () => 97 + Math.floor(random() * 26));
      this.#words.set([letters.length + 1, ...letters, 0x20], slot);
    }
    const key = createHash('sha256').update(`${seed}/noise`).digest();
    this.#noise = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  bytes(kind: Region['kind'], length: number): Buffer {
    return kind === 'noise' ? this.#noise.update(Buffer.alloc(length)) : this.#text(length);
  }

  #text(length: number): Buffer {
    const text = Buffer.allocUnsafe(length);
    const words = this.#words;
    for (let at = 0, number = 1; at < length; number++) {
      if (number % numberEvery === 0) {
        at += text.write(`${Math.floor(this.#random() * 2 ** 32).toString(16)}\n`, at, 'latin1');
        continue;
      }
      const random = this.#random();
      const start = Math.floor(random * random * random * wordCount) * slotBytes;
      const end = start + (words[start] ?? 0);
      // Byte by byte: `set` costs more than these few bytes.
      for (let from = start + 1; from <= end && at < length; from++) text[at++] = words[from] ?? 0;
    }
    return text;
  }
}

/** Regions of a disk with 40 % holes, 30 % text and 30 % noise, in extents of 256 KiB to 32 MiB (log-uniform, 4 KiB aligned). */
export function diskRegions(sizeBytes: number, seed: string): Region[] {
  const random = seededRandom(`${seed}/layout`);
  const regions: Region[] = [];
  const used = { hole: 0, text: 0, noise: 0 };
  const share = { hole: 0.4, text: 0.3, noise: 0.3 };
  for (let offset = 0; offset < sizeBytes;) {
    const wanted = 256 * kib * 2 ** (random() * 7);
    const length = Math.min(sizeBytes - offset, Math.ceil(wanted / (4 * kib)) * 4 * kib);
    const kinds = (['hole', 'text', 'noise'] as const).toSorted(
      (a, b) => used[a] / share[a] - used[b] / share[b] + (random() - 0.5) * 32 * mib,
    );
    const kind = kinds[0] ?? 'hole';
    used[kind] += length;
    if (kind !== 'hole') regions.push({ offset, length, kind });
    offset += length;
  }
  return regions;
}

/** `count` places of 100 KiB, half text and half noise, uniform over the disk, holes included. */
export function changedRegions(sizeBytes: number, count: number, seed: string): Region[] {
  const random = seededRandom(`${seed}/changes`);
  const length = 100 * kib;
  return Array.from({ length: count }, (_, index) => ({
    offset: Math.floor((random() * (sizeBytes - length)) / (4 * kib)) * 4 * kib,
    length,
    kind: index % 2 === 0 ? ('text' as const) : ('noise' as const),
  }));
}

/** Writes regions into a raw file, pieces of 1 MiB at a time. */
export async function writeRegions(path: string, regions: readonly Region[], filler: RegionFiller): Promise<void> {
  const handle: FileHandle = await open(path, 'r+');
  try {
    for (const region of regions) {
      for (let done = 0; done < region.length;) {
        const piece = filler.bytes(region.kind, Math.min(mib, region.length - done));
        await handle.write(piece, 0, piece.length, region.offset + done);
        done += piece.length;
      }
    }
  } finally {
    await handle.close();
  }
}

/** Creates an empty (sparse) raw file. */
export async function createRaw(path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.truncate(sizeBytes);
  } finally {
    await handle.close();
  }
}
