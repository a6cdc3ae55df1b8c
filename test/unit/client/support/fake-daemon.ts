/** A daemon for tests without a process: it answers requests with what the test says and sends what the test sends. */
import type { DaemonClient } from '../../../../server/connect/index.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import type { NotificationMessage, RequestMessage } from '../../../../server/protocol/message.ts';

type Answer = (params: unknown, signal: AbortSignal | undefined) => unknown;

export class FakeClient implements DaemonClient {
  readonly daemonVersion: string;
  readonly protocol = 1;
  readonly instance: string;
  readonly #closed = new AbortController();
  readonly closed = this.#closed.signal;
  readonly asked: string[] = [];
  readonly #answers: ReadonlyMap<string, Answer>;
  readonly #handlers = new Map<string, Set<(params: unknown) => void>>();

  constructor(answers: ReadonlyMap<string, Answer>, instance = 'one', daemonVersion = '0.1.0') {
    this.#answers = answers;
    this.instance = instance;
    this.daemonVersion = daemonVersion;
  }

  async request<P, R>(
    message: RequestMessage<P, R>,
    params: P,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<R> {
    this.asked.push(message.method);
    const answer = this.#answers.get(message.method);
    if (answer === undefined) throw new TidemarkError(errorCodes.internal, `no answer to ${message.method}`);
    const aborted = Promise.withResolvers<never>();
    signal?.addEventListener('abort', () => aborted.reject(TidemarkError.from(signal.reason)), { once: true });
    return message.result(await Promise.race([answer(params, signal), aborted.promise]), '');
  }

  onNotification<P>(message: NotificationMessage<P>, handler: (params: P) => void): Disposable {
    const handlers = this.#handlers.get(message.method) ?? new Set();
    this.#handlers.set(message.method, handlers);
    const entry = (params: unknown): void => handler(message.params(params, ''));
    handlers.add(entry);
    return { [Symbol.dispose]: () => handlers.delete(entry) };
  }

  /** The daemon tells something. */
  send<P>(message: NotificationMessage<P>, params: P): void {
    for (const handler of this.#handlers.get(message.method) ?? []) handler(params);
  }

  /** The daemon dies. */
  lose(): void {
    this.#closed.abort(new TidemarkError(errorCodes.daemonNotRunning, 'lost'));
  }

  async close(): Promise<void> {
    this.lose();
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a fake daemon answers, by message. */
export class Answers {
  readonly map = new Map<string, Answer>();

  on<P, R>(
    message: RequestMessage<P, R>,
    answer: (params: P, signal: AbortSignal | undefined) => R | Promise<R>,
  ): this {
    this.map.set(message.method, (params, signal) => answer(message.params(params, ''), signal));
    return this;
  }
}
