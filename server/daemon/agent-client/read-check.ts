/** Holds the agent to what was asked: every chunk of every range once, in order, of the right size. A lying agent gives `TM2004`, never wrong bytes. */
import { violation } from '../../base/frames.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { frameEncoding, frameType } from '../../protocol/data.ts';
import type { FrameHeader, ReadRequest } from '../../protocol/data.ts';

/** Checks the ranges of a request before it is sent. Throws `TM1001`: they come from the caller, not from the wire. */
export function checkRanges(read: ReadRequest): void {
  const { ranges, chunkBytes } = read;
  let valid = ranges.length % 2 === 0;
  for (let index = 0; valid && index < ranges.length; index += 2) {
    const offset = ranges[index] ?? -1;
    const length = ranges[index + 1] ?? 0;
    valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0;
    valid &&= offset % chunkBytes === 0;
  }
  if (!valid) {
    throw new TidemarkError(errorCodes.invalidInput, 'The ranges to read do not lie on the grid of chunks.');
  }
}

/** Follows the answer to one read request. */
export class ReadCheck {
  readonly request: number;
  readonly #read: ReadRequest;
  /** Index in `ranges` of the current range's offset. */
  #range = 0;
  /** Bytes of the current range already answered. */
  #done = 0;

  constructor(request: number, read: ReadRequest) {
    this.request = request;
    this.#read = read;
  }

  /** Accepts the header of a `data`, `zero` or `end` frame and moves on, or throws `TM2004`. */
  accept(header: FrameHeader): void {
    const { ranges, chunkBytes, compress } = this.#read;
    const start = ranges[this.#range];
    const length = ranges[this.#range + 1];
    if (header.type === frameType.end) {
      if (start !== undefined) throw violation('an answer ends before everything asked for was sent');
      if (header.storedBytes !== 0) throw violation('an end frame with a payload');
      return;
    }
    if (start === undefined || length === undefined) throw violation('more data than was asked for');
    const expected = Math.min(chunkBytes, length - this.#done);
    if (header.offset !== start + this.#done) throw violation(`data for byte ${header.offset}, which is not next`);
    if (header.rawBytes !== expected)
      throw violation(`a chunk of ${header.rawBytes} bytes where ${expected} are right`);
    checkPayload(header, compress);
    this.#done += expected;
    if (this.#done === length) {
      this.#range += 2;
      this.#done = 0;
    }
  }
}

function checkPayload(header: FrameHeader, compress: boolean): void {
  const { encoding, rawBytes, storedBytes } = header;
  const raw = encoding === frameEncoding.raw;
  if (header.type === frameType.zero) {
    if (storedBytes !== 0 || !raw) throw violation('a zero frame with a payload');
  } else if (raw) {
    if (storedBytes !== rawBytes) throw violation('a raw chunk of a wrong length');
  } else if (!compress) {
    throw violation('a compressed chunk that was not asked for');
  } else if (storedBytes === 0 || storedBytes >= rawBytes) {
    throw violation('a compressed chunk of a wrong length');
  }
}
