/** An exchange of lines at the beginning of a connection: bounded in time and size, and not a byte more is taken than the lines. */
import type { Duplex } from 'node:stream';

import type { TidemarkError } from '../protocol/errors.ts';

/** What an exchange may take, and how it fails. */
export interface HandshakeOptions {
  readonly timeoutMs: number;
  /** Longest line, with its end. */
  readonly maxLineBytes: number;
  /** The error of a side that is silent, closes, or sends lines that are too long. */
  readonly failed: (cause?: unknown) => TidemarkError;
}

/**
 * Runs `exchange`, which reads lines (without their `\n`) with the function it is given and writes to the stream itself. What follows the last
 * line stays in the stream. On failure the stream is destroyed. Throws `failed()` and what `exchange` throws.
 */
export async function handshake<T>(
  stream: Duplex,
  options: HandshakeOptions,
  exchange: (readLine: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const { timeoutMs, maxLineBytes, failed } = options;
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const onEnd = (cause?: unknown): void => ended.reject(failed(cause));
  const timer = setTimeout(onEnd, timeoutMs);
  stream.on('error', onEnd).on('close', onEnd).on('end', onEnd);
  const readLine = async (): Promise<string> => {
    const line = await Promise.race([takeLine(stream, maxLineBytes), ended.promise]);
    if (line === undefined) throw failed();
    return line;
  };
  try {
    return await Promise.race([exchange(readLine), ended.promise]);
  } catch (error) {
    stream.on('error', () => undefined);
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    stream.off('error', onEnd).off('close', onEnd).off('end', onEnd);
  }
}

/** Takes one line out of the stream, byte for byte no more; what follows is put back. Undefined when the line is too long. */
async function takeLine(stream: Duplex, maxLineBytes: number): Promise<string | undefined> {
  let taken = Buffer.alloc(0);
  for (;;) {
    const chunk: unknown = stream.read();
    if (!Buffer.isBuffer(chunk)) {
      await new Promise<void>((resolve) => stream.once('readable', resolve));
      continue;
    }
    taken = Buffer.concat([taken, chunk]);
    const end = taken.indexOf(0x0a);
    if (end >= maxLineBytes || (end < 0 && taken.length >= maxLineBytes)) return undefined;
    if (end < 0) continue;
    if (end + 1 < taken.length) stream.unshift(taken.subarray(end + 1));
    return taken.toString('latin1', 0, end);
  }
}
