/** The policies that the daemon carries out. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { AppliedPolicy } from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** Keeps the list of applied policies. No method but `load` asks the daemon. */
export class PolicyStore {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<undefined>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<'list'>();
  #policies: Cached<readonly AppliedPolicy[]> = unread([]);

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind === 'connected' || kind === 'starting') return;
        this.#set(outdated(this.#policies));
      }),
    );
    this.#owned.add(
      link.onDidConnect(() => {
        // What nobody looked at stays unread.
        if (this.#policies.readAt !== undefined) void this.load({ force: true });
      }),
    );
  }

  readonly onDidChange: Event<undefined> = (listener) => this.#emitter.event(listener);

  /** The applied policies, by name. */
  get policies(): Cached<readonly AppliedPolicy[]> {
    return this.#policies;
  }

  policy(name: string): AppliedPolicy | undefined {
    return this.#policies.value.find((policy) => policy.name === name);
  }

  /** Reads the list unless it is fresh. A failure is in `policies`, not thrown. */
  async load({ force = false, signal }: LoadOptions = {}): Promise<void> {
    if (!force && this.#policies.state === 'ready' && !this.#policies.stale) return;
    const load = async (): Promise<void> => {
      // A list that can be shown stays as it is until the new one is there.
      if (this.#policies.state !== 'ready') this.#set(loading(this.#policies));
      try {
        const { policies } = await this.#link.request(daemon.listPolicies, {}, { signal });
        this.#set(ready(sorted(policies), Date.now()));
      } catch (error) {
        this.#set(failed(this.#policies, TidemarkError.from(error)));
      }
    };
    await this.#loads.once('list', load, force);
  }

  /** Takes in what a command just learned about one policy. */
  apply(policy: AppliedPolicy): void {
    const others = this.#policies.value.filter(({ name }) => name !== policy.name);
    this.#set({ ...this.#policies, value: sorted([...others, policy]) });
  }

  /** Takes out a policy that was deleted. */
  forget(name: string): void {
    if (this.policy(name) === undefined) return;
    this.#set({ ...this.#policies, value: this.#policies.value.filter((policy) => policy.name !== name) });
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #set(policies: Cached<readonly AppliedPolicy[]>): void {
    this.#policies = policies;
    this.#emitter.fire(undefined);
  }
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
const sorted = (policies: readonly AppliedPolicy[]): readonly AppliedPolicy[] =>
  [...policies].sort((a, b) => byName.compare(a.name, b.name));
