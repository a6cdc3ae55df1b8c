/** The hosts that the daemon knows. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { HostEntry } from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** Which hosts changed; `all` when hosts came, went, or the state of the list changed. */
export interface HostChange {
  readonly hosts: readonly string[] | 'all';
}

/** Keeps the list of hosts. No method but `load` asks the daemon. */
export class HostStore {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<HostChange>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<'list'>();
  #hosts: Cached<readonly HostEntry[]> = unread([]);

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState((state) => {
        if (state.kind === 'reconnecting' || state.kind === 'failed' || state.kind === 'disconnected') {
          this.#set(outdated(this.#hosts));
        }
      }),
    );
  }

  readonly onDidChange: Event<HostChange> = (listener) => this.#emitter.event(listener);

  /** The hosts, by name. */
  get hosts(): Cached<readonly HostEntry[]> {
    return this.#hosts;
  }

  host(name: string): HostEntry | undefined {
    return this.#hosts.value.find((host) => host.name === name);
  }

  /** Reads the list unless it is fresh. A failure is in `hosts`, not thrown. */
  async load({ force = false, signal }: LoadOptions = {}): Promise<void> {
    if (!force && this.#hosts.state === 'ready' && !this.#hosts.stale) return;
    const load = async (): Promise<void> => {
      // A list that can be shown stays as it is until the new one is there.
      if (this.#hosts.state !== 'ready') this.#set(loading(this.#hosts));
      try {
        const { hosts } = await this.#link.request(daemon.listHosts, {}, { signal });
        this.#set(ready(sorted(hosts), Date.now()));
      } catch (error) {
        this.#set(failed(this.#hosts, TidemarkError.from(error)));
      }
    };
    await this.#loads.once('list', load, force);
  }

  /** Takes in the whole list, as the daemon told it unasked. */
  replace(hosts: readonly HostEntry[]): void {
    this.#set(ready(sorted(hosts), Date.now()));
  }

  /** Takes in what a command just learned about one host. */
  apply(host: HostEntry): void {
    const known = this.host(host.name) !== undefined;
    const others = this.#hosts.value.filter(({ name }) => name !== host.name);
    this.#hosts = { ...this.#hosts, value: sorted([...others, host]) };
    this.#emitter.fire({ hosts: known ? [host.name] : 'all' });
  }

  /** Takes out a host that was removed. */
  forget(name: string): void {
    if (this.host(name) === undefined) return;
    this.#hosts = { ...this.#hosts, value: this.#hosts.value.filter((host) => host.name !== name) };
    this.#emitter.fire({ hosts: 'all' });
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #set(hosts: Cached<readonly HostEntry[]>): void {
    this.#hosts = hosts;
    this.#emitter.fire({ hosts: 'all' });
  }
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
const sorted = (hosts: readonly HostEntry[]): readonly HostEntry[] =>
  [...hosts].sort((a, b) => byName.compare(a.name, b.name));
