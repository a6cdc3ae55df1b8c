/** How a zstd frame is unpacked: one way for what comes in and what goes out, so that what was accepted once can be restored. */
import { zstdDecompressSync } from 'node:zlib';

/**
 * The `rawBytes` that one zstd frame holds; undefined when it holds more or less. Throws what zlib throws for anything else.
 *
 * The output buffer is part of the rule: zlib goes on to a second frame only when the first one filled it, so with another size
 * several frames in a row may be taken for one, or not.
 */
export function unpackFrame(frame: Uint8Array, rawBytes: number): Uint8Array | undefined {
  const content = zstdDecompressSync(frame, { maxOutputLength: rawBytes, chunkSize: Math.max(1024, rawBytes) });
  return content.length === rawBytes ? content : undefined;
}
