/** The daemon's side of a binary data connection (protocol/data.ts). Works on any thread; knows nothing of JSON-RPC. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ReadRequest, WriteRequest } from '../../protocol/data.ts';
import type { DataAccess } from './data-access.ts';

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
  /** Sends bytes for `offset` of the disk. Resolves when `chunk` (at most 4 MiB) may be reused; await it before the next write. Throws what the agent reported. */
  write(offset: number, chunk: Uint8Array): Promise<void>;
  /** Resolves when the agent has all of it durably on its disk. */
  finish(): Promise<void>;
}

/** An open data connection. Not for concurrent use by several readers. */
export interface DataConnection {
  /** Queues a read; several may be outstanding and are answered one after the other. Returns the request number. */
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
  /** Ends the connection at once. */
  close(): void;
}

/** Opens a data connection of a session. Throws `TM2001`, `TM2002`, `TM2003`, `TM2004`, `TM2005` as `connectAgent` does. */
export async function openDataConnection(access: DataAccess, _signal: AbortSignal): Promise<DataConnection> {
  throw new TidemarkError(errorCodes.internal, `Not connected to ${access.url}.`);
}
