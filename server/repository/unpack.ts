/** How a zstd frame is unpacked: one way for what comes in and what goes out, so that what was accepted once can be restored. */
import { zstdDecompressSync } from 'node:zlib';

const smallestOutput = 1024;

/**
 * The `rawBytes` that one zstd frame holds, in memory of their own; undefined when it holds more or less. Throws what zlib
 * throws for anything else.
 *
 * The output buffer is part of the rule: zlib goes on to a second frame only when the first one filled it, so with another size
 * several frames in a row may be taken for one, or not.
 */
export function unpackFrame(frame: Uint8Array, rawBytes: number): Uint8Array | undefined {
  const content =
    unpackWhole(frame, rawBytes) ??
    zstdDecompressSync(frame, { maxOutputLength: rawBytes, chunkSize: Math.max(smallestOutput, rawBytes) });
  return content.length === rawBytes ? content : undefined;
}

/**
 * What `frame` holds, when it is one frame and no byte more: undefined otherwise. With a byte of room zlib does not
 * make a second output buffer, as it does as soon as one is full, and leaves it to the garbage collector.
 */
function unpackWhole(frame: Uint8Array, rawBytes: number): Uint8Array | undefined {
  const chunkSize = Math.max(smallestOutput, rawBytes + 1);
  const unpacked: unknown = zstdDecompressSync(frame, { maxOutputLength: rawBytes, chunkSize, info: true });
  return isUnpacked(unpacked) && unpacked.engine.bytesWritten === frame.length ? unpacked.buffer : undefined;
}

/** What zlib gives with `info`, which its types do not say. */
function isUnpacked(
  value: unknown,
): value is { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } } {
  return typeof value === 'object' && value !== null && 'buffer' in value && 'engine' in value;
}
