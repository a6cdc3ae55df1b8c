/** Frames of the data stream (layout in protocol/data.ts): headers to bytes and back, and a receiver that copies nothing it need not. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { frameEncoding, frameHeaderBytes, frameType, maxFrameBytes } from '../protocol/data.ts';
import type { FrameEncoding, FrameHeader, FrameType } from '../protocol/data.ts';
import { maxDiskBytes } from '../protocol/model.ts';

/** The error of a peer that breaks the data protocol. */
export function violation(what: string): TidemarkError {
  return new TidemarkError(errorCodes.agentProtocolViolation, `The data stream is not valid: ${what}.`, {
    hint: 'Check that agent and daemon have matching versions and that the URL names a Tidemark agent.',
  });
}

/** Writes `header` at `at` of `target`. */
export function encodeFrameHeader(target: Buffer, at: number, header: FrameHeader): void {
  target.writeUInt8(header.type, at);
  target.writeUInt8(header.encoding, at + 1);
  target.writeUInt16LE(0, at + 2);
  target.writeUInt32LE(header.request, at + 4);
  target.writeUInt32LE(header.offset % 2 ** 32, at + 8);
  target.writeUInt32LE(Math.floor(header.offset / 2 ** 32), at + 12);
  target.writeUInt32LE(header.rawBytes, at + 16);
  target.writeUInt32LE(header.storedBytes, at + 20);
  target.writeUInt32LE(0, at + 24);
}

/** A header of its own buffer. */
export function frameHeader(header: FrameHeader): Buffer {
  const buffer = Buffer.allocUnsafe(frameHeaderBytes);
  encodeFrameHeader(buffer, 0, header);
  return buffer;
}

/** A whole frame with a JSON payload (`read`, `write`, `failed`), or without one (`end`, `wait`). */
export function messageFrame(type: FrameType, request: number, value?: unknown): Buffer {
  const payload = value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value), 'utf8');
  const header = { type, encoding: frameEncoding.raw, request, offset: 0, rawBytes: payload.length };
  return Buffer.concat([frameHeader({ ...header, storedBytes: payload.length }), payload]);
}

const types: readonly FrameType[] = Object.values(frameType);
const encodings: readonly FrameEncoding[] = Object.values(frameEncoding);

/** Reads a header. Throws `TM2004` for an unknown type or encoding, a field that must be zero, or a size out of bounds. */
export function decodeFrameHeader(source: Buffer): FrameHeader {
  const type = types.find((candidate) => candidate === source[0]);
  const encoding = encodings.find((candidate) => candidate === source[1]);
  if (type === undefined || encoding === undefined) throw violation('a frame of an unknown type');
  if (source.readUInt16LE(2) !== 0 || source.readUInt32LE(24) !== 0) throw violation('a frame with unknown fields');
  const offset = source.readUInt32LE(12) * 2 ** 32 + source.readUInt32LE(8);
  const rawBytes = source.readUInt32LE(16);
  const storedBytes = source.readUInt32LE(20);
  if (offset > maxDiskBytes || rawBytes > maxFrameBytes || storedBytes > maxFrameBytes) {
    throw violation('a frame with a size or an offset out of bounds');
  }
  return { type, encoding, request: source.readUInt32LE(4), offset, rawBytes, storedBytes };
}

/** What a receiver does with frames. Both may throw; the connection is then broken. */
export interface FrameHandler {
  /** Judges a header before its payload is stored, and gives the memory for the payload: at least `storedBytes`, ideally `frameHeaderBytes` more. Not called for frames without payload. */
  allocate(header: FrameHeader): Buffer;
  /** A complete frame; `payload` is the start of what `allocate` gave. */
  frame(header: FrameHeader, payload: Buffer): void;
}

const noPayload = Buffer.alloc(0);
const stagingBytes = 4096;

/**
 * Puts frames together from bytes. Either bytes are pushed (copied once), or the source reads straight into `target()`
 * and calls `filled()`. A target for a payload has room for the next header behind it, so that a steady stream of chunks takes one read each.
 */
export class FrameReceiver {
  readonly #handler: FrameHandler;
  readonly #header = Buffer.alloc(frameHeaderBytes);
  readonly #staging = Buffer.alloc(stagingBytes);
  #headerFilled = 0;
  #current: { readonly header: FrameHeader; readonly buffer: Buffer; filled: number } | undefined;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#current !== undefined || this.#headerFilled > 0;
  }

  /** Where the next bytes are wanted. Valid until the next call of any method. */
  target(): Buffer {
    const current = this.#current;
    if (current === undefined) return this.#staging;
    return current.buffer.subarray(current.filled, current.header.storedBytes + frameHeaderBytes);
  }

  /** `count` bytes have been put at the start of `target()`. */
  filled(count: number): void {
    const current = this.#current;
    if (current === undefined) {
      this.push(this.#staging.subarray(0, count));
      return;
    }
    current.filled += count;
    const { storedBytes } = current.header;
    if (current.filled < storedBytes) return;
    this.#headerFilled = current.buffer.copy(this.#header, 0, storedBytes, current.filled);
    this.#finish(current.header, current.buffer);
    if (this.#headerFilled === frameHeaderBytes) this.#begin();
  }

  /** Takes bytes from elsewhere. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const current = this.#current;
      if (current === undefined) {
        const taken = bytes.copy(this.#header, this.#headerFilled, at);
        at += taken;
        this.#headerFilled += taken;
        if (this.#headerFilled === frameHeaderBytes) this.#begin();
      } else {
        const end = at + current.header.storedBytes - current.filled;
        const taken = bytes.copy(current.buffer, current.filled, at, end);
        at += taken;
        current.filled += taken;
        if (current.filled === current.header.storedBytes) this.#finish(current.header, current.buffer);
      }
    }
  }

  #begin(): void {
    const header = decodeFrameHeader(this.#header);
    this.#headerFilled = 0;
    if (header.storedBytes === 0) this.#handler.frame(header, noPayload);
    else this.#current = { header, buffer: this.#handler.allocate(header), filled: 0 };
  }

  #finish(header: FrameHeader, buffer: Buffer): void {
    this.#current = undefined;
    this.#handler.frame(header, buffer.subarray(0, header.storedBytes));
  }
}
