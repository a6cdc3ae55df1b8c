/**
 * JSON-RPC 2.0 as every Tidemark protocol speaks it: vscode-jsonrpc on a bounded transport (message-stream.ts),
 * with parsed parameters and results, and errors that keep their code.
 */
import type { Duplex } from 'node:stream';

import {
  CancellationTokenSource,
  createMessageConnection,
  ParameterStructures,
  RequestType,
  ResponseError,
} from 'vscode-jsonrpc/node';
import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc/node';

import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../protocol/errors.ts';
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts';
import { errorReport } from '../protocol/model.ts';
import { BoundedMessageReader, CountingMessageWriter, OpenRequests } from './message-stream.ts';

/** JSON-RPC error code of every refused or failed request; what it means is in `data`, an error report. */
export const applicationErrorCode = 1;

/** Requests of the other side whose answers have not left yet, at most; more wait unread in the stream. */
const maxOpenRequests = 256;

/**
 * A message connection on `stream`, not listening yet; it destroys the stream when the other side breaks the protocol or sends a message
 * larger than `maxMessageBytes`.
 */
export function messageConnection(
  stream: Duplex,
  maxMessageBytes: number,
  maxRequests: number = maxOpenRequests,
): MessageConnection {
  const open = new OpenRequests(maxRequests);
  const connection = createMessageConnection(
    new BoundedMessageReader(stream, maxMessageBytes, open),
    new CountingMessageWriter(stream, open),
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
      const parsed = message.params(params, '');
      if (parsed !== params) empty(params);
      return await handler(parsed, controller.signal);
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

/** Lets go of parameters that were parsed: the connection holds them until the answer, with all that a parser left out. */
function empty(params: unknown): void {
  if (typeof params !== 'object' || params === null) return;
  for (const name of Object.keys(params)) Reflect.deleteProperty(params, name);
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
