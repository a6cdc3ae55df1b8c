/** The policies that the daemon carries out. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { AppliedPolicy } from '../../server/protocol/daemon.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { NamedList } from './named-list.ts';

/** Keeps the list of applied policies. No method but `load` asks the daemon. */
export class PolicyStore {
  readonly #emitter = new Emitter<undefined>();
  readonly #owned = new Subscriptions();
  readonly #list: NamedList<AppliedPolicy>;

  constructor(link: DaemonLink) {
    this.#list = new NamedList(
      async (signal) => (await link.request(daemon.listPolicies, {}, { signal })).policies,
      () => this.#emitter.fire(undefined),
    );
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind !== 'connected' && kind !== 'starting') this.#list.outdate();
      }),
    );
    this.#owned.add(
      link.onDidConnect(() => {
        // What nobody looked at stays unread.
        if (this.policies.readAt !== undefined) void this.load({ force: true });
      }),
    );
  }

  readonly onDidChange: Event<undefined> = (listener) => this.#emitter.event(listener);

  /** The applied policies, by name. */
  get policies(): Cached<readonly AppliedPolicy[]> {
    return this.#list.cached;
  }

  policy(name: string): AppliedPolicy | undefined {
    return this.#list.find(name);
  }

  /** Reads the list unless it is fresh. A failure is in `policies`, not thrown. */
  async load(options?: LoadOptions): Promise<void> {
    await this.#list.load(options);
  }

  /** Takes in what a command just learned about one policy. */
  apply(policy: AppliedPolicy): void {
    this.#list.apply(policy);
  }

  /** Takes out a policy that was deleted. */
  forget(name: string): void {
    this.#list.forget(name);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
