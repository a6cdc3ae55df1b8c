/** Cleans hosts in the background: after a crash, after a run that failed, after restore points were deleted. A host that is away is tried again. */
import { Mutex } from '../base/concurrency.ts';
import type { Logger } from '../base/log.ts';
import { cancelledError, TidemarkError } from '../protocol/errors.ts';
import type { OwnerId, ReferencePointId, RunId, VmId } from '../protocol/ids.ts';
import type { AgentConnection } from './agent-client/connection.ts';
import { abortable } from './deadline.ts';
import { cleanUpHost } from './runs/clean-up.ts';
import type { RunHost } from './runs/context.ts';

/** A host as the background clean-up uses it. */
export interface CleanedHost extends RunHost {
  /** As `connect`, but a password that was refused is left alone. */
  glance(signal: AbortSignal): Promise<AgentConnection>;
}

/** What the cleaner needs to know. */
export interface HostCleanerOptions {
  readonly owner: OwnerId;
  readonly isActive: (run: RunId) => boolean;
  readonly knownReferencePoints: (signal: AbortSignal) => Promise<ReadonlySet<ReferencePointId> | undefined>;
  /** The host of that name now, or undefined when it was removed. */
  readonly host: (name: string) => CleanedHost | undefined;
  readonly log: Logger;
  /** First wait after a failure, ms; doubled up to `maxRetryMs`. */
  readonly retryMs?: number;
  readonly maxRetryMs?: number;
}

/** One clean-up per host at a time. */
export class HostCleaner {
  readonly #options: HostCleanerOptions;
  readonly #lifetime = new AbortController();
  readonly #mutexes = new Map<string, Mutex>();
  /** Hosts that wait for a background clean-up. */
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  readonly #working = new Set<Promise<void>>();

  constructor(options: HostCleanerOptions) {
    this.#options = options;
  }

  /** Cleans now, on a connection the caller has; for runs, before they begin. `warn` is told what nobody removes. Throws what `cleanUpHost` throws. */
  async cleanUp(
    host: RunHost,
    vmId: VmId | undefined,
    connection: AgentConnection,
    signal: AbortSignal,
    warn: (text: string) => void,
  ): Promise<void> {
    const { owner, isActive, knownReferencePoints, log } = this.#options;
    const mutex = this.#mutexes.get(host.name) ?? new Mutex();
    this.#mutexes.set(host.name, mutex);
    const work = mutex.run(async () =>
      cleanUpHost({
        connection,
        owner,
        vmId,
        isActive,
        knownReferencePoints: () => knownReferencePoints(signal),
        log,
        warn,
        signal,
      }),
    );
    await abortable(work, signal);
  }

  /** Cleans the host soon, in the background. */
  request(name: string): void {
    if (!this.#lifetime.signal.aborted) this.#schedule(name, 0, this.#options.retryMs ?? 30_000);
  }

  /** Stops; a clean-up under way is given up. */
  async close(): Promise<void> {
    this.#lifetime.abort(cancelledError());
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    await Promise.all(this.#working);
  }

  #schedule(name: string, delayMs: number, retryMs: number): void {
    clearTimeout(this.#waiting.get(name));
    const timer = setTimeout(() => {
      this.#waiting.delete(name);
      const work = this.#try(name, retryMs).finally(() => this.#working.delete(work));
      this.#working.add(work);
    }, delayMs).unref();
    this.#waiting.set(name, timer);
  }

  async #try(name: string, retryMs: number): Promise<void> {
    const { signal } = this.#lifetime;
    const host = this.#options.host(name);
    if (host === undefined) return;
    try {
      const warn = (text: string): void => this.#options.log.log('warning', text);
      await this.cleanUp(host, undefined, await host.glance(signal), signal, warn);
    } catch (error) {
      if (signal.aborted) return;
      const { message } = TidemarkError.from(error);
      this.#options.log.log(
        'info',
        `Host ${name} is not cleaned up yet, tried again in ${retryMs / 1000} s: ${message}`,
      );
      if (!this.#waiting.has(name)) {
        this.#schedule(name, retryMs, Math.min(retryMs * 2, this.#options.maxRetryMs ?? 600_000));
      }
    }
  }
}
