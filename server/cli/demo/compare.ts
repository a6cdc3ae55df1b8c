/** Compares files byte by byte. */
import { open } from 'node:fs/promises';

import { throwIfAborted } from '../../protocol/errors.ts';

const bufferBytes = 4 * 1024 * 1024;

/** The first byte in which two files differ; undefined when they are identical. A shorter file differs where it ends. */
export async function firstDifference(one: string, other: string, signal?: AbortSignal): Promise<number | undefined> {
  await using first = await open(one, 'r');
  await using second = await open(other, 'r');
  const sizes = [(await first.stat()).size, (await second.stat()).size];
  const end = Math.min(...sizes);
  const left = Buffer.alloc(bufferBytes);
  const right = Buffer.alloc(bufferBytes);
  for (let offset = 0; offset < end;) {
    throwIfAborted(signal);
    const wanted = Math.min(bufferBytes, end - offset);
    const reads = await Promise.all([first.read(left, 0, wanted, offset), second.read(right, 0, wanted, offset)]);
    const count = Math.min(...reads.map(({ bytesRead }) => bytesRead));
    if (count === 0) return offset;
    const a = left.subarray(0, count);
    const b = right.subarray(0, count);
    if (!a.equals(b)) return offset + a.findIndex((byte, index) => byte !== b[index]);
    offset += count;
  }
  return sizes[0] === sizes[1] ? undefined : end;
}
