/** How a message is declared: once, with its method name and the parsers of what it carries. */
import type { Parser } from './parse.ts';

/** A request: `params` are parsed by the receiver, `result` by the sender. Nothing from a wire is trusted unparsed. */
export interface RequestMessage<P, R> {
  readonly method: string;
  readonly params: Parser<P>;
  readonly result: Parser<R>;
}

/** A notification: parsed by the receiver. */
export interface NotificationMessage<P> {
  readonly method: string;
  readonly params: Parser<P>;
}

/** Declares a request. */
export function request<P, R>(method: string, params: Parser<P>, result: Parser<R>): RequestMessage<P, R> {
  return { method, params, result };
}

/** Declares a notification. */
export function notification<P>(method: string, params: Parser<P>): NotificationMessage<P> {
  return { method, params };
}
