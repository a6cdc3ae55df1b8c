/** The frames of an open data connection: a bounded queue of what came, checked against what was asked. */
import type { Socket } from 'node:net';

import { FrameReceiver, messageFrame, violation } from '../../base/frames.ts';
import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../../protocol/errors.ts';
import { frameEncoding, frameType, maxRequestBytes } from '../../protocol/data.ts';
import type { FrameHeader, ReadRequest, WriteRequest } from '../../protocol/data.ts';
import { errorReport } from '../../protocol/model.ts';
import { json } from '../../protocol/parse.ts';
import { BufferPool } from './buffer-pool.ts';
import type { DataConnection, DataFrame, DataWriter } from './data-connection.ts';
import { connectionLost } from './dial.ts';
import { FrameWriter } from './frame-writer.ts';
import { checkRanges, ReadCheck } from './read-check.ts';

/** Received and not yet taken, in bytes of memory: above the first the socket is paused, below the second it goes on. */
const pauseBytes = 4 * 1024 * 1024;
const resumeBytes = 2 * 1024 * 1024;
/** What a queued frame costs besides its payload. */
const frameCost = 256;
const maxOutstanding = 1024;
/** `wait` frames in a row, at most: at one in 15 s, an hour. */
const maxWaits = 240;
/** How often silence is looked at within its limit. */
const silenceTicks = 4;

type Queued =
  | { readonly frame: DataFrame; readonly cost: number }
  | { readonly error: TidemarkError; readonly cost: number };

/** See `DataConnection`. Made before its socket, because the socket reads straight into the receiver's memory. */
export class DataStream implements DataConnection {
  readonly receiver: FrameReceiver;
  readonly #url: string;
  readonly #silenceMs: number;
  readonly #pool = new BufferPool();
  readonly #given = new WeakSet<DataFrame>();
  readonly #reads: ReadCheck[] = [];
  readonly #queue: Queued[] = [];
  #queuedBytes = 0;
  #paused = false;
  #waiting: PromiseWithResolvers<DataFrame> | undefined;
  #silence: NodeJS.Timeout | undefined;
  #seenBytes = 0;
  #quietTicks = 0;
  #waits = 0;
  #nextRequest = 1;
  #writer: FrameWriter | undefined;
  #socket: Socket | undefined;
  #failure: TidemarkError | undefined;

  constructor(url: string, silenceMs: number) {
    this.#url = url;
    this.#silenceMs = silenceMs;
    this.receiver = new FrameReceiver({
      allocate: (header) => this.#allocate(header),
      frame: (header, payload) => this.#receive(header, payload),
    });
  }

  /** Takes over the upgraded socket. */
  attach(socket: Socket, signal: AbortSignal): void {
    this.#socket = socket;
    socket.setKeepAlive(true, 30_000);
    socket.on('error', (error) => this.fail(connectionLost(this.#url, error.message, error)));
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      this.fail(connectionLost(this.#url, 'the agent closed it'));
    });
    const onAbort = (): void =>
      this.fail(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    if (this.#failure !== undefined || socket.destroyed) {
      this.fail(connectionLost(this.#url, 'the agent closed it'));
      socket.destroy();
    } else if (signal.aborted) onAbort();
  }

  send(read: ReadRequest): number {
    this.#assertOpen();
    checkRanges(read);
    if (this.#reads.length >= maxOutstanding || this.#writer !== undefined) {
      throw new TidemarkError(errorCodes.internal, 'Too many requests are outstanding on one data connection.');
    }
    const request = this.#nextRequest++;
    const frame = messageFrame(frameType.read, request, read);
    if (frame.length > maxRequestBytes) {
      throw new TidemarkError(errorCodes.invalidInput, 'Too many ranges are asked for in one request.');
    }
    this.#pool.sizeFor(Math.max(read.chunkBytes, 65_536));
    this.#reads.push(new ReadCheck(request, read));
    this.#socket?.write(frame);
    return request;
  }

  async next(): Promise<DataFrame> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return this.#take(queued);
    this.#assertOpen();
    if (this.#waiting !== undefined || this.#reads.length === 0) {
      throw new TidemarkError(errorCodes.internal, 'Nothing is to be waited for on this data connection.');
    }
    this.#watchSilence();
    this.#waiting = Promise.withResolvers<DataFrame>();
    return this.#waiting.promise;
  }

  recycle(frame: DataFrame): void {
    if (frame.type === 'data' && this.#given.delete(frame)) this.#pool.give(frame.payload);
  }

  beginWrite(request: WriteRequest): DataWriter {
    this.#assertOpen();
    const socket = this.#socket;
    if (socket === undefined || this.#reads.length > 0 || this.#writer !== undefined) {
      throw new TidemarkError(errorCodes.internal, 'A data connection does one thing at a time.');
    }
    this.#writer = new FrameWriter(socket, this.#nextRequest++, request, {
      waiting: () => this.#watchSilence(),
      ended: () => {
        this.#writer = undefined;
      },
    });
    return this.#writer;
  }

  close(): void {
    this.fail(cancelledError());
  }

  /** Ends the connection with this error; the first one counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const failure = TidemarkError.from(error);
    this.#failure = failure;
    clearInterval(this.#silence);
    // Frames that came before the failure are not given out any more: the caller learns of it at once.
    this.#queue.length = 0;
    this.#socket?.destroy();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(failure);
    this.#writer?.fail(failure);
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Begins to watch for silence. The time runs on after the wait is over, and then means nothing. */
  #watchSilence(): void {
    this.#waits = 0;
    this.#quietTicks = 0;
    this.#silence ??= setInterval(() => this.#tick(), this.#silenceMs / silenceTicks);
  }

  #tick(): void {
    const bytes = this.#socket?.bytesRead ?? 0;
    if (this.#waiting === undefined && this.#writer?.waiting !== true) {
      clearInterval(this.#silence);
      this.#silence = undefined;
    } else if (bytes !== this.#seenBytes) {
      this.#quietTicks = 0;
    } else {
      this.#quietTicks += 1;
      if (this.#quietTicks < silenceTicks) return;
      this.fail(connectionLost(this.#url, `nothing came for ${Math.round(this.#silenceMs / 1000)} s`));
    }
    this.#seenBytes = bytes;
  }

  #allocate(header: FrameHeader): Buffer {
    if (header.type === frameType.data) {
      this.#current(header).accept(header);
      return this.#pool.take(header.storedBytes);
    }
    if (header.type !== frameType.failed || header.storedBytes > maxRequestBytes) {
      throw violation('a frame with a payload it cannot have');
    }
    return Buffer.allocUnsafe(header.storedBytes);
  }

  #receive(header: FrameHeader, payload: Buffer): void {
    if (this.#failure !== undefined) return;
    if (header.type === frameType.wait) {
      this.#waits += 1;
      if (this.#waits > maxWaits) throw violation('nothing but signs of life');
      return;
    }
    this.#waits = 0;
    const { request, offset, rawBytes } = header;
    switch (header.type) {
      case frameType.data: {
        // An empty payload never came through `allocate`, where the header is checked.
        if (payload.length === 0) throw violation('an empty chunk');
        const encoding = header.encoding === frameEncoding.raw ? 'raw' : 'zstd';
        const frame: DataFrame = { type: 'data', request, offset, encoding, payload, rawBytes };
        this.#given.add(frame);
        this.#enqueue({ frame, cost: payload.buffer.byteLength + frameCost });
        return;
      }
      case frameType.zero:
        this.#current(header).accept(header);
        this.#enqueue({ frame: { type: 'zero', request, offset, rawBytes }, cost: frameCost });
        return;
      case frameType.end:
        this.#ended(header);
        return;
      case frameType.failed:
        this.#failed(header, reportedError(payload));
        return;
      case frameType.read:
      case frameType.write:
        throw violation('a request from the agent');
    }
  }

  #current(header: FrameHeader): ReadCheck {
    const read = this.#reads[0];
    if (read?.request !== header.request) throw violation('an answer to something that was not asked');
    return read;
  }

  #ended(header: FrameHeader): void {
    if (this.#writer?.request === header.request) {
      this.#writer.complete();
      return;
    }
    this.#current(header).accept(header);
    this.#reads.shift();
    this.#enqueue({ frame: { type: 'end', request: header.request }, cost: frameCost });
  }

  #failed(header: FrameHeader, error: TidemarkError): void {
    if (this.#writer?.request === header.request) {
      this.#writer.fail(error);
      return;
    }
    this.#current(header);
    this.#reads.shift();
    this.#enqueue({ error, cost: frameCost });
  }

  #enqueue(queued: Queued): void {
    this.#queuedBytes += queued.cost;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      try {
        waiting.resolve(this.#take(queued));
      } catch (error) {
        waiting.reject(error);
      }
      return;
    }
    this.#queue.push(queued);
    if (!this.#paused && this.#queuedBytes > pauseBytes) {
      this.#paused = true;
      this.#socket?.pause();
    }
  }

  #take(queued: Queued): DataFrame {
    this.#queuedBytes -= queued.cost;
    if (this.#paused && this.#queuedBytes < resumeBytes) {
      this.#paused = false;
      this.#socket?.resume();
    }
    if ('error' in queued) throw queued.error;
    return queued.frame;
  }
}

function reportedError(payload: Buffer): TidemarkError {
  try {
    return errorFromReport(json(payload.toString('utf8'), errorReport, 'The error report'));
  } catch (error) {
    throw violation(TidemarkError.from(error).message.replace(/\.$/, ''));
  }
}
