/**
 * The two halves of a JSON-RPC transport with LSP framing (`Content-Length`), bounded in every direction: the size of a message,
 * the values in it, and the requests whose answers have not left yet. Back-pressure is the stream's own: what is not worked on is not read.
 */
import type { Duplex } from 'node:stream';

import { AbstractMessageReader, Message, StreamMessageWriter } from 'vscode-jsonrpc/node';
import type { DataCallback, Disposable as RpcDisposable } from 'vscode-jsonrpc/node';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** Headers of one message, at most. */
const maxHeaderBytes = 1024;
const headerEnd = '\r\n\r\n';
/** A body's memory begins with this and doubles as bytes come, so that a claimed length alone costs nothing. */
const firstBodyBytes = 65_536;
/** Messages below this are parsed without counting their values first. */
const smallBytes = 262_144;
/** One value (number, text, object) for so many bytes of the largest message: JSON of empty objects would grow twentyfold in memory. */
const bytesPerValue = 32;
/** Of the name of a method, and of an id that is a text: both are held until the answer, and sent back with it. */
const maxNameLength = 256;
/** What a message has (JSON-RPC 2.0). */
const messageFields: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

function violation(what: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidInput, `The other side ${what}.`);
}

/** Requests that came and whose answers have not left yet; shared by a connection's reader and writer. */
export class OpenRequests {
  readonly #limit: number;
  #count = 0;
  #onRoom: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether no further message may be read now. */
  get full(): boolean {
    return this.#count >= this.#limit;
  }

  /** Takes note of a message that was read. */
  came(message: Message): void {
    if (Message.isRequest(message)) this.#count += 1;
  }

  /** Takes note of a message that was written and has left. */
  left(message: Message): void {
    if (!Message.isResponse(message)) return;
    this.#count -= 1;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  /** Calls `onRoom` once, when it is not full any more. */
  whenRoom(onRoom: () => void): void {
    this.#onRoom = onRoom;
  }
}

/** Writes framed messages; tells `open` when one has left. */
export class CountingMessageWriter extends StreamMessageWriter {
  readonly #open: OpenRequests;

  constructor(stream: Duplex, open: OpenRequests) {
    super(stream);
    this.#open = open;
  }

  override async write(message: Message): Promise<void> {
    try {
      await super.write(message);
    } finally {
      this.#open.left(message);
    }
  }
}

/**
 * Reads framed messages, one in each turn of the event loop, because the connection behind it works on one in each turn and queues the rest.
 * A message that is too large, or anything that is no message, destroys the stream.
 */
export class BoundedMessageReader extends AbstractMessageReader {
  readonly #stream: Duplex;
  readonly #maxMessageBytes: number;
  readonly #open: OpenRequests;
  readonly #header = Buffer.allocUnsafe(maxHeaderBytes);
  #headerFilled = 0;
  #body: { readonly length: number; buffer: Buffer; filled: number } | undefined;
  /** Came and not looked at yet. */
  #rest: Buffer = Buffer.alloc(0);
  #held = false;
  #disposed = false;

  constructor(stream: Duplex, maxMessageBytes: number, open: OpenRequests) {
    super();
    this.#stream = stream;
    this.#maxMessageBytes = maxMessageBytes;
    this.#open = open;
  }

  override listen(callback: DataCallback): RpcDisposable {
    const onData = (chunk: Buffer): void => {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      if (!this.#held) this.#pump(callback);
    };
    const onError = (error: Error): void => this.fireError(error);
    const onClose = (): void => this.fireClose();
    // A peer that ended can ask nothing more. Sockets that came by an HTTP upgrade stay half open, and would until they time out.
    const onEnd = (): void => void this.#stream.destroy();
    this.#stream.on('data', onData).on('error', onError).on('close', onClose).on('end', onEnd).resume();
    return {
      dispose: () => {
        this.#disposed = true;
        this.#stream.off('data', onData).off('error', onError).off('close', onClose).off('end', onEnd);
        // A stream without an error listener would throw what comes after the end.
        this.#stream.on('error', () => undefined);
      },
    };
  }

  /** Hands over at most one message; what follows it waits for the next turn, and the stream with it. */
  #pump(callback: DataCallback): void {
    if (this.#disposed || this.#stream.destroyed) return;
    try {
      const message = this.#take();
      if (message !== undefined) {
        this.#open.came(message);
        callback(message);
      }
    } catch (error) {
      this.fireError(error);
      this.#stream.destroy();
      return;
    }
    if (this.#open.full) this.#hold(callback, (next) => this.#open.whenRoom(next));
    else if (this.#rest.length > 0) this.#hold(callback, setImmediate);
    else if (this.#held) {
      this.#held = false;
      this.#stream.resume();
    }
  }

  #hold(callback: DataCallback, later: (next: () => void) => void): void {
    this.#held = true;
    this.#stream.pause();
    later(() => this.#pump(callback));
  }

  /** Consumes bytes up to the end of one message; undefined when they do not reach that far. */
  #take(): Message | undefined {
    if (this.#body === undefined && !this.#takeHeader()) return undefined;
    const body = this.#body;
    if (body === undefined) return undefined;
    const bytes = this.#takeBody(body);
    if (bytes === undefined) return undefined;
    this.#body = undefined;
    if (bytes.length > smallBytes) checkValues(bytes, Math.ceil(this.#maxMessageBytes / bytesPerValue));
    const message: unknown = JSON.parse(bytes.toString('utf8'));
    if (!isMessage(message)) throw violation('sent something that is not a message');
    for (const name of Object.keys(message)) if (!messageFields.has(name)) Reflect.deleteProperty(message, name);
    return message;
  }

  #takeHeader(): boolean {
    const before = this.#headerFilled;
    this.#headerFilled += this.#rest.copy(this.#header, before);
    const filled = this.#header.subarray(0, this.#headerFilled);
    const end = filled.indexOf(headerEnd, Math.max(0, before - headerEnd.length + 1));
    if (end < 0) {
      this.#rest = this.#rest.subarray(this.#headerFilled - before);
      if (this.#headerFilled === maxHeaderBytes) throw violation('sent something that is not a message');
      return false;
    }
    this.#rest = this.#rest.subarray(end + headerEnd.length - before);
    this.#headerFilled = 0;
    const match = /(?:^|\r\n)content-length: *(\d{1,10}) *(?:\r\n|$)/i.exec(filled.toString('latin1', 0, end));
    if (match === null) throw violation('sent a message without a length');
    const length = Number(match[1]);
    if (length > this.#maxMessageBytes) throw violation(`sent a message of ${length} bytes`);
    this.#body = { length, buffer: Buffer.alloc(0), filled: 0 };
    return true;
  }

  #takeBody(body: { readonly length: number; buffer: Buffer; filled: number }): Buffer | undefined {
    const wanted = body.length - body.filled;
    const rest = this.#rest;
    this.#rest = rest.subarray(wanted);
    if (body.filled === 0 && rest.length >= wanted) return rest.subarray(0, wanted);
    const filled = body.filled + Math.min(wanted, rest.length);
    if (filled > body.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(body.length, Math.max(firstBodyBytes, filled, body.buffer.length * 2)),
      );
      body.buffer.copy(grown, 0, 0, body.filled);
      body.buffer = grown;
    }
    rest.copy(body.buffer, body.filled, 0, wanted);
    body.filled = filled;
    return filled === body.length ? body.buffer : undefined;
  }
}

const [comma, bracket, brace] = Buffer.from(',[{');

/** Counts what may be values in JSON text, at most `limit` of them. */
function checkValues(text: Buffer, limit: number): void {
  let values = 0;
  for (const byte of text) {
    if (byte === comma || byte === bracket || byte === brace) values += 1;
  }
  if (values > limit) throw violation(`sent a message of more than ${limit} values`);
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null || !('jsonrpc' in value) || value.jsonrpc !== '2.0') return false;
  return !('id' in value && isLong(value.id)) && !('method' in value && isLong(value.method));
}

function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > maxNameLength;
}
