/**
 * The binary data stream between daemon and agent, version 1. A connection begins as `GET /tidemark/data` with
 * `Upgrade: tidemark-data` and three headers: `tidemark-session` (the id `scramFinal` gave), `tidemark-nonce`
 * (32 hex digits, used once) and `tidemark-proof` (hex HMAC-SHA-256 of `"tidemark-data:" + nonce` under the session's
 * data key). The `101` answer carries the agent's own `tidemark-proof`, of `"tidemark-data-agent:" + nonce`. The data key is
 * HMAC-SHA-256(SCRAM ClientKey, "tidemark data key" ‖ SCRAM AuthMessage) and never crosses the wire: docs/security.md says why both sides know it.
 *
 * After `101` both sides send frames: a 28-byte header, little endian, then `storedBytes` of payload.
 *
 * | offset | size | field |
 * | ---: | ---: | --- |
 * | 0 | 1 | type (`FrameType`) |
 * | 1 | 1 | encoding: 0 raw, 1 zstd (data frames only) |
 * | 2 | 2 | zero |
 * | 4 | 4 | request number, chosen by the daemon, echoed by the agent |
 * | 8 | 8 | offset in the disk, bytes (0 where it means nothing) |
 * | 16 | 4 | rawBytes: length before encoding |
 * | 20 | 4 | storedBytes: length of the payload that follows |
 * | 24 | 4 | zero |
 *
 * Reading: the daemon sends `read` (payload: JSON of `readRequest`); the agent answers every asked range, in order, with
 * `data` frames that start on the range's grid of `chunkBytes` and are one chunk long, the last of a disk shorter. A chunk of zeros
 * is a `zero` frame without payload. Then `end`, or at any time `failed` (payload: JSON of an error report).
 * Several `read` requests may be outstanding; they are answered one after the other.
 * An agent that is busy for long without a frame to send (a slow disk, a large flush) sends `wait` frames, which mean only that it lives.
 *
 * Writing (restore): the daemon sends `write` (payload: JSON of `writeRequest`) and then `data` frames and `end`;
 * the agent answers `end` when all of it is durable, or `failed`.
 */
import * as id from './ids.ts';
import { maxDiskBytes } from './model.ts';
import { array, boolean, integer, object } from './parse.ts';
import type { Parsed } from './parse.ts';

export const frameType = { read: 1, write: 2, data: 3, zero: 4, end: 5, failed: 6, wait: 7 } as const;
/** First byte of a frame. */
export type FrameType = (typeof frameType)[keyof typeof frameType];

export const frameEncoding = { raw: 0, zstd: 1 } as const;
export type FrameEncoding = (typeof frameEncoding)[keyof typeof frameEncoding];

export const frameHeaderBytes = 28;
/** Largest payload: a chunk of 4 MiB. Anything larger is a protocol violation. */
export const maxFrameBytes = 4 * 1024 * 1024;
/** Largest JSON payload of a `read` or `write` frame. */
export const maxRequestBytes = 1024 * 1024;
export const sessionHeader = 'tidemark-session';
export const nonceHeader = 'tidemark-nonce';
export const proofHeader = 'tidemark-proof';
/** What the daemon's and the agent's proof of a data connection begin with, before the nonce. */
export const dataProofPrefix = { daemon: 'tidemark-data:', agent: 'tidemark-data-agent:' } as const;

/** What a `read` frame asks for. `ranges` alternates offset and length; each lies on the chunk grid, its end clipped to the disk. */
export const readRequest = object({
  exportId: id.exportId,
  diskId: id.diskId,
  chunkBytes: integer(65_536, 4_194_304),
  /** Let the agent compress each chunk with zstd level 1 where that saves something: for links slower than the processor. */
  compress: boolean,
  ranges: array(integer(0, maxDiskBytes), 32_768),
});
export type ReadRequest = Parsed<typeof readRequest>;

/** What a `write` frame announces. */
export const writeRequest = object({ sessionId: id.restoreSessionId, diskId: id.diskId });
export type WriteRequest = Parsed<typeof writeRequest>;

/** A decoded frame header. */
export interface FrameHeader {
  readonly type: FrameType;
  readonly encoding: FrameEncoding;
  readonly request: number;
  readonly offset: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}
