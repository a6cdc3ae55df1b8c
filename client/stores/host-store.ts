/** The hosts that the daemon knows. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { HostEntry } from '../../server/protocol/daemon.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { NamedList } from './named-list.ts';
import type { ListChange } from './named-list.ts';

/** Which hosts changed; `all` when hosts came, went, or the state of the list changed. */
export interface HostChange {
  readonly hosts: ListChange;
}

/** Keeps the list of hosts. No method but `load` asks the daemon. */
export class HostStore {
  readonly #emitter = new Emitter<HostChange>();
  readonly #owned = new Subscriptions();
  readonly #list: NamedList<HostEntry>;

  constructor(link: DaemonLink) {
    this.#list = new NamedList(
      async (signal) => (await link.request(daemon.listHosts, {}, { signal })).hosts,
      (hosts) => this.#emitter.fire({ hosts }),
    );
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind !== 'connected' && kind !== 'starting') this.#list.outdate();
      }),
    );
  }

  readonly onDidChange: Event<HostChange> = (listener) => this.#emitter.event(listener);

  /** The hosts, by name. */
  get hosts(): Cached<readonly HostEntry[]> {
    return this.#list.cached;
  }

  host(name: string): HostEntry | undefined {
    return this.#list.find(name);
  }

  /** Reads the list unless it is fresh. A failure is in `hosts`, not thrown. */
  async load(options?: LoadOptions): Promise<void> {
    await this.#list.load(options);
  }

  /** Takes in the whole list, as the daemon told it unasked. */
  replace(hosts: readonly HostEntry[]): void {
    this.#list.replace(hosts);
  }

  /** Takes in what a command just learned about one host. */
  apply(host: HostEntry): void {
    this.#list.apply(host);
  }

  /** Takes out a host that was removed. */
  forget(name: string): void {
    this.#list.forget(name);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
