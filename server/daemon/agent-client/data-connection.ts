/** The daemon's side of a binary data connection (protocol/data.ts). Works on any thread; knows nothing of JSON-RPC. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { dataPath, dataUpgrade } from '../../protocol/agent.ts';
import { dataProofPrefix, nonceHeader, proofHeader, sessionHeader } from '../../protocol/data.ts';
import type { ReadRequest, WriteRequest } from '../../protocol/data.ts';
import type { DataAccess } from './data-access.ts';
import { DataStream } from './data-stream.ts';
import { dial } from './dial.ts';

export type { DataAccess } from './data-access.ts';

/**
 * One step of an answer to a read. Offsets and lengths are checked against what was asked before a frame gets here:
 * each chunk of each range comes exactly once, in order.
 */
export type DataFrame =
  | {
      readonly type: 'data';
      readonly request: number;
      readonly offset: number;
      /** `zstd` only where the request allowed it; the caller decompresses (never trust it to give `rawBytes`: check). */
      readonly encoding: 'raw' | 'zstd';
      /** The caller's for as long as it wants; `recycle(frame)` gives the memory back for the next frames. */
      readonly payload: Buffer;
      readonly rawBytes: number;
    }
  | { readonly type: 'zero'; readonly request: number; readonly offset: number; readonly rawBytes: number }
  | { readonly type: 'end'; readonly request: number };

/** Writes one disk of a restore. */
export interface DataWriter {
  /**
   * Sends bytes for `offset` of the disk. Resolves when `chunk` (at most 4 MiB) may be reused; await it before the next write.
   * What is never written reads as zeros. Throws what the agent reported.
   */
  write(offset: number, chunk: Uint8Array): Promise<void>;
  /** Resolves when the agent has all of it durably on its disk. */
  finish(): Promise<void>;
}

/** An open data connection. Not for concurrent use by several readers. */
export interface DataConnection {
  /** Queues a read; several (at most 1024) may be outstanding and are answered one after the other. Returns the request number. */
  send(read: ReadRequest): number;
  /**
   * The next frame, in order. Throws the agent's error when it reports that the request failed (later requests go on),
   * `TM2004` when the agent breaks the protocol, `TM2005` when the connection is lost or silent for 60 s.
   */
  next(): Promise<DataFrame>;
  /** Gives the memory of a data frame back; its payload must not be touched afterwards. Doing it twice does nothing. */
  recycle(frame: DataFrame): void;
  /** Starts writing a disk of a restore session; no reads may be outstanding. */
  beginWrite(request: WriteRequest): DataWriter;
  /** Ends the connection at once; a pending `next()` throws `TM1999`. */
  close(): void;
}

/** Timing, for tests. */
export interface DataConnectionOptions {
  /** Milliseconds to open the connection; default 15,000. */
  readonly timeoutMs?: number;
  /** Milliseconds without a byte, while something is waited for, after which the agent is given up; default 60,000. */
  readonly silenceMs?: number;
}

/** The proof of one side that it knows the session's data key. */
function proof(access: DataAccess, side: keyof typeof dataProofPrefix, nonce: string): Buffer {
  return createHmac('sha256', access.dataKey)
    .update(dataProofPrefix[side] + nonce)
    .digest();
}

/**
 * Opens a data connection of a session; aborting `signal`, also later, closes it. Throws `TM2001`, `TM2003`, `TM2004`, and `TM2002` when the agent refuses the
 * proof (the session has ended) or has none itself.
 */
export async function openDataConnection(
  access: DataAccess,
  signal: AbortSignal,
  options: DataConnectionOptions = {},
): Promise<DataConnection> {
  const nonce = randomBytes(16).toString('hex');
  const stream = new DataStream(access.url, options.silenceMs ?? 60_000);
  const { socket, headers } = await dial(access, {
    path: dataPath,
    upgrade: dataUpgrade,
    headers: {
      [sessionHeader]: access.sessionId,
      [nonceHeader]: nonce,
      [proofHeader]: proof(access, 'daemon', nonce).toString('hex'),
    },
    signal,
    timeoutMs: options.timeoutMs ?? 15_000,
    certificateSha256: access.certificateSha256,
    refused: () =>
      new TidemarkError(errorCodes.agentAuthenticationFailed, `The agent at ${access.url} refused a data connection.`, {
        hint: 'The session may have ended, or have too many connections. Try again.',
      }),
    sink: stream.receiver,
    onSinkError: (error) => stream.fail(error),
  });
  const theirs = Buffer.from(headers.get(proofHeader) ?? '', 'hex');
  const expected = proof(access, 'agent', nonce);
  if (theirs.length !== expected.length || !timingSafeEqual(theirs, expected)) {
    socket.destroy();
    throw new TidemarkError(
      errorCodes.agentAuthenticationFailed,
      `What answers at ${access.url} could not prove that it is the agent of this session.`,
      { hint: 'Something else may be answering at this address. Check the URL and the agent.' },
    );
  }
  stream.attach(socket, signal);
  return stream;
}
