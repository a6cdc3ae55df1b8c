/** The VMs of each host, read one host at a time: no host waits for another. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { VmEntry } from '../../server/protocol/daemon.ts';
import { errorFromReport, TidemarkError } from '../../server/protocol/errors.ts';
import type { VmId } from '../../server/protocol/ids.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** What the settings say about reading. */
export interface VmStoreOptions {
  /** Deadline of one host, ms. */
  readonly hostTimeoutMs: () => number;
  /** How long a list stays fresh, ms. */
  readonly freshMs: () => number;
}

type Vms = Cached<readonly VmEntry[]>;
const nothing: Vms = unread([]);

/** Keeps the VMs of hosts. A host that does not answer keeps its last list, marked stale. */
export class VmStore {
  readonly #link: DaemonLink;
  readonly #options: VmStoreOptions;
  readonly #emitter = new Emitter<{ readonly host: string }>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<string>();
  readonly #byHost = new Map<string, Vms>();

  constructor(link: DaemonLink, options: VmStoreOptions) {
    this.#link = link;
    this.#options = options;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind === 'connected' || kind === 'starting') return;
        for (const [host, vms] of this.#byHost) this.#set(host, outdated(vms));
      }),
    );
  }

  /** The VMs of this host, or the state of reading them, changed. */
  readonly onDidChange: Event<{ readonly host: string }> = (listener) => this.#emitter.event(listener);

  /** The VMs of a host, by name; `unread` when nobody loaded them. */
  vms(host: string): Vms {
    return this.#byHost.get(host) ?? nothing;
  }

  vm(host: string, id: VmId): VmEntry | undefined {
    return this.vms(host).value.find(({ vm }) => vm.id === id);
  }

  /** Every VM known now, of all hosts. */
  all(): readonly VmEntry[] {
    return [...this.#byHost.values()].flatMap(({ value }) => value);
  }

  /** Reads a host's VMs unless they are fresh. A failure is in `vms`, not thrown. */
  async load(host: string, { force = false, signal }: LoadOptions = {}): Promise<void> {
    const known = this.vms(host);
    const fresh = known.state === 'ready' && !known.stale && Date.now() - (known.readAt ?? 0) < this.#options.freshMs();
    if (fresh && !force) return;
    await this.#loads.once(host, async () => {
      this.#set(host, loading(this.vms(host)));
      try {
        const answer = await this.#link.request(
          daemon.listVms,
          { host },
          { signal, timeoutMs: this.#options.hostTimeoutMs() },
        );
        const unreachable = answer.unreachable.find((entry) => entry.host === host);
        if (unreachable !== undefined) throw errorFromReport(unreachable.error);
        this.#set(host, ready(sorted(answer.vms), Date.now()));
      } catch (error) {
        this.#set(host, failed(this.vms(host), TidemarkError.from(error)));
      }
    });
  }

  /** Reads the VMs of several hosts side by side. */
  async loadAll(hosts: readonly string[], options: LoadOptions = {}): Promise<void> {
    await Promise.all(hosts.map(async (host) => this.load(host, options)));
  }

  /** Marks a host's list, so that the next load reads it. */
  expire(host: string): void {
    const known = this.#byHost.get(host);
    if (known !== undefined) this.#set(host, outdated(known));
  }

  /** Takes out a host that was removed. */
  forget(host: string): void {
    if (this.#byHost.delete(host)) this.#emitter.fire({ host });
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #set(host: string, vms: Vms): void {
    this.#byHost.set(host, vms);
    this.#emitter.fire({ host });
  }
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
const sorted = (vms: readonly VmEntry[]): readonly VmEntry[] =>
  [...vms].sort((a, b) => byName.compare(a.vm.name, b.vm.name));
