/**
 * JSON-RPC 2.0 over a stream with LSP framing (`Content-Length`), as every Tidemark protocol speaks it: vscode-jsonrpc
 * with a bound on the size of a message, parsed parameters and results, and errors that keep their code.
 */
import type { Duplex } from 'node:stream';

import {
  AbstractMessageReader,
  CancellationTokenSource,
  createMessageConnection,
  ParameterStructures,
  RequestType,
  ResponseError,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import type {
  CancellationToken,
  DataCallback,
  Disposable as RpcDisposable,
  MessageConnection,
} from 'vscode-jsonrpc/node';

import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../protocol/errors.ts';
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts';
import { errorReport } from '../protocol/model.ts';

/** JSON-RPC error code of every refused or failed request; what it means is in `data`, an error report. */
export const applicationErrorCode = 1;

/** Headers of one message, at most. */
const maxHeaderBytes = 1024;

/** Reads framed messages; a message larger than `maxMessageBytes`, or anything that is no message, destroys the stream. */
export class BoundedMessageReader extends AbstractMessageReader {
  readonly #stream: Duplex;
  readonly #maxMessageBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Length of the body that comes next; undefined while its headers are read. */
  #bodyBytes: number | undefined;

  constructor(stream: Duplex, maxMessageBytes: number) {
    super();
    this.#stream = stream;
    this.#maxMessageBytes = maxMessageBytes;
  }

  override listen(callback: DataCallback): RpcDisposable {
    const onData = (chunk: Buffer): void => {
      try {
        this.#take(chunk, callback);
      } catch (error) {
        this.fireError(error);
        this.#stream.destroy();
      }
    };
    const onError = (error: Error): void => this.fireError(error);
    const onClose = (): void => this.fireClose();
    this.#stream.on('data', onData).on('error', onError).on('close', onClose).resume();
    return {
      dispose: () => {
        this.#stream.off('data', onData).off('error', onError).off('close', onClose);
        // A stream without an error listener would throw what comes after the end.
        this.#stream.on('error', () => undefined);
      },
    };
  }

  #take(chunk: Buffer, callback: DataCallback): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    while (this.#bodyBytes === undefined ? this.#takeHeaders() : this.#takeBody(this.#bodyBytes, callback));
  }

  #takeHeaders(): boolean {
    if (this.#pendingBytes === 0) return false;
    const buffer = this.#join();
    const end = buffer.subarray(0, maxHeaderBytes).indexOf('\r\n\r\n');
    if (end < 0) {
      if (buffer.length >= maxHeaderBytes) throw violation('sent something that is not a message');
      return false;
    }
    const match = /(?:^|\r\n)content-length: *(\d{1,10}) *(?:\r\n|$)/i.exec(buffer.toString('latin1', 0, end));
    if (match === null) throw violation('sent a message without a length');
    const length = Number(match[1]);
    if (length > this.#maxMessageBytes) throw violation(`sent a message of ${length} bytes`);
    this.#replace(buffer.subarray(end + 4));
    this.#bodyBytes = length;
    return true;
  }

  #takeBody(length: number, callback: DataCallback): boolean {
    if (this.#pendingBytes < length) return false;
    const buffer = this.#join();
    const text = buffer.toString('utf8', 0, length);
    this.#replace(buffer.subarray(length));
    this.#bodyBytes = undefined;
    const message: unknown = JSON.parse(text);
    if (!isMessage(message)) throw violation('sent something that is not a message');
    callback(message);
    return true;
  }

  #join(): Buffer {
    const [first] = this.#pending;
    const joined = this.#pending.length === 1 && first !== undefined ? first : Buffer.concat(this.#pending);
    this.#pending = [joined];
    return joined;
  }

  #replace(rest: Buffer): void {
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
  }
}

function isMessage(value: unknown): value is { readonly jsonrpc: '2.0' } {
  return typeof value === 'object' && value !== null && 'jsonrpc' in value && value.jsonrpc === '2.0';
}

function violation(what: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidInput, `The other side ${what}.`);
}

/** A message connection on `stream`, not listening yet; it destroys the stream when the other side breaks the protocol. */
export function messageConnection(stream: Duplex, maxMessageBytes: number): MessageConnection {
  const connection = createMessageConnection(
    new BoundedMessageReader(stream, maxMessageBytes),
    new StreamMessageWriter(stream),
  );
  connection.onError(() => stream.destroy());
  return connection;
}

/** Answers a request: parameters are parsed, a thrown error is sent as its report. The signal follows `$/cancelRequest`. */
export function handleRequest<P, R>(
  connection: MessageConnection,
  message: RequestMessage<P, R>,
  handler: (params: P, signal: AbortSignal) => Promise<R> | R,
): void {
  const type = new RequestType<unknown, unknown, unknown>(message.method, ParameterStructures.byName);
  connection.onRequest(type, async (params: unknown, token: CancellationToken) => {
    const controller = new AbortController();
    const listener = token.onCancellationRequested(() => controller.abort(cancelledError()));
    try {
      return await handler(message.params(params, ''), controller.signal);
    } catch (error) {
      const { code, message: text, hint } = TidemarkError.from(error).report();
      return new ResponseError(
        applicationErrorCode,
        text,
        hint === undefined ? { code, message: text } : { code, message: text, hint },
      );
    } finally {
      listener.dispose();
    }
  });
}

/**
 * Sends a request and parses its answer. Throws what the other side reported, `TM1999` at once when `signal` aborts
 * (the other side is told), and `lost()` when the connection ends first.
 */
export async function sendRequest<P, R>(
  connection: MessageConnection,
  message: RequestMessage<P, R>,
  params: P,
  options: { readonly signal?: AbortSignal | undefined; readonly lost: (cause?: unknown) => TidemarkError },
): Promise<R> {
  const { signal } = options;
  const source = new CancellationTokenSource();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const onAbort = (): void => {
    source.cancel();
    aborted.reject(TidemarkError.is(signal?.reason) ? signal.reason : cancelledError(signal?.reason));
  };
  if (signal?.aborted === true) throw TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const answer: unknown = await Promise.race([
      connection.sendRequest(message.method, params, source.token),
      aborted.promise,
    ]);
    return message.result(answer, '');
  } catch (error) {
    throw answerError(error, options.lost);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    source.dispose();
  }
}

function answerError(error: unknown, lost: (cause?: unknown) => TidemarkError): unknown {
  if (error instanceof TidemarkError) return error;
  if (error instanceof ResponseError && error.code === applicationErrorCode) {
    return errorFromReport(errorReport(error.data, 'error'));
  }
  if (error instanceof ResponseError && error.code >= -32_768 && error.code <= -32_600) {
    return new TidemarkError(errorCodes.internal, `The other side refused the request: ${error.message}`, {
      cause: error,
    });
  }
  return lost(error);
}

/** Calls `handler` for each notification that parses; others are dropped and reported to `onInvalid`. */
export function handleNotification<P>(
  connection: MessageConnection,
  message: NotificationMessage<P>,
  handler: (params: P) => void,
  onInvalid: (error: unknown) => void,
): Disposable {
  const registration = connection.onNotification(message.method, (params: unknown) => {
    try {
      handler(message.params(params, ''));
    } catch (error) {
      onInvalid(error);
    }
  });
  return { [Symbol.dispose]: () => registration.dispose() };
}
