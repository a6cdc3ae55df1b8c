/** Work that goes on when nobody waits for it any more: what is begun on a host must be brought to an end. */
import type { Logger } from '../../base/log.ts';
import { cancelledError, errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';

/** How long the end of the provider waits for work that was told to end, in milliseconds. */
const endMs = 5_000;

/** The unfinished work of one provider. */
export class Background {
  readonly #log: Logger;
  readonly #ended = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Aborted when the provider ends. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Runs `work`. When `wanted` is aborted this throws at once, while `work`, which sees that signal, brings what it began to an end:
   * it stops only by itself, or when `ended` is aborted.
   */
  async run<T>(what: string, wanted: AbortSignal, work: () => Promise<T>): Promise<T> {
    throwIfAborted(wanted);
    throwIfAborted(this.ended);
    const running = work();
    this.#running.add(running);
    const { promise, reject } = Promise.withResolvers<never>();
    const leave = (): void => {
      running.catch((error: unknown) => this.#unheard(what, error));
      reject(TidemarkError.is(wanted.reason) ? wanted.reason : cancelledError(wanted.reason));
    };
    wanted.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([running, promise]);
    } finally {
      wanted.removeEventListener('abort', leave);
      const gone = (): unknown => this.#running.delete(running);
      running.then(gone, gone);
    }
  }

  /** Ends what still runs, as far as it lets itself be ended. */
  async end(): Promise<void> {
    this.#ended.abort(cancelledError());
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, endMs);
    await Promise.race([Promise.allSettled(this.#running), promise]);
    clearTimeout(timer);
  }

  #unheard(what: string, error: unknown): void {
    if (TidemarkError.is(error, errorCodes.cancelled)) this.#log.log('info', `${what}: ended as it was cancelled`);
    else this.#log.log('warning', `${what}: failed after it was cancelled`, error);
  }
}
