/** What everybody who waits for a connection waits for. */
import type { DaemonClient } from '../../server/connect/index.ts';
import { cancelledError, TidemarkError } from '../../server/protocol/errors.ts';

/** The next outcome of the attempts to connect. Settled once for all who wait; whoever comes later waits for the next one. */
export class Outcome {
  #waiting: PromiseWithResolvers<DaemonClient> | undefined;

  /** The client as soon as there is one. Throws why there will be none, or `TM1999` when `signal` aborts. */
  async wait(signal?: AbortSignal): Promise<DaemonClient> {
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers<DaemonClient>();
      // Whoever waited may have given up by the time it fails.
      this.#waiting.promise.catch(() => undefined);
    }
    const { promise } = this.#waiting;
    if (signal === undefined) return promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void =>
      aborted.reject(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  resolve(client: DaemonClient): void {
    this.#waiting?.resolve(client);
    this.#waiting = undefined;
  }

  reject(error: TidemarkError): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
