/** The VMs of each host, read one host at a time: no host waits for another. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { VmEntry } from '../../server/protocol/daemon.ts';
import { errorCodes, errorFromReport, TidemarkError } from '../../server/protocol/errors.ts';
import type { VmId } from '../../server/protocol/ids.ts';
import type { Parsed } from '../../server/protocol/parse.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { l10n } from '../base/l10n.ts';
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

  /** Hosts whose VMs somebody loaded. */
  hosts(): readonly string[] {
    return [...this.#byHost.keys()];
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
    const load = async (): Promise<void> => {
      this.#set(host, loading(this.vms(host)));
      await this.#read(host, { host, maxAgeMs: force ? 0 : this.#options.freshMs() }, signal);
    };
    await this.#loads.once(host, load, force);
  }

  /** Takes over what the daemon knows now, without asking the host: the daemon said that it changed. */
  async reread(host: string): Promise<void> {
    const load = async (): Promise<void> => this.#read(host, { host, maxAgeMs: rereadAgeMs, wait: false }, undefined);
    await this.#loads.once(host, load, true);
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

  async #read(host: string, query: VmQuery, signal: AbortSignal | undefined): Promise<void> {
    const timeoutMs = this.#options.hostTimeoutMs();
    try {
      const answer = await this.#link.request(daemon.listVms, query, { signal, timeoutMs });
      const reading = answer.hosts?.find((entry) => entry.host === host);
      const readAt = reading?.readAt === undefined ? undefined : Date.parse(reading.readAt);
      const report = answer.unreachable.find((entry) => entry.host === host)?.error ?? reading?.error;
      const vms = sorted(answer.vms);
      if (report === undefined) {
        this.#set(host, ready(vms, readAt ?? Date.now()));
        return;
      }
      // What the daemon last heard of the host may be more than this window did.
      const before = readAt === undefined ? this.vms(host) : ready(vms, readAt);
      this.#set(host, failed(before, errorFromReport(report)));
    } catch (error) {
      this.#set(host, failed(this.vms(host), hostError(host, timeoutMs, error)));
    }
  }

  #set(host: string, vms: Vms): void {
    this.#byHost.set(host, vms);
    this.#emitter.fire({ host });
  }
}

type VmQuery = Parsed<typeof daemon.listVms.params>;

/** The daemon asks hosts every half minute by itself: what is younger than this is not asked for again, ms. */
const rereadAgeMs = 60_000;

function hostError(host: string, timeoutMs: number, error: unknown): TidemarkError {
  if (!TidemarkError.is(error, errorCodes.requestTimeout)) return TidemarkError.from(error);
  const seconds = Math.round(timeoutMs / 1000);
  return new TidemarkError(
    errorCodes.hostUnreachable,
    l10n.t('Host {0} did not answer within {1} seconds.', host, seconds),
    { hint: l10n.t('Check that the agent runs there and that nothing blocks the way.'), cause: error },
  );
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
const sorted = (vms: readonly VmEntry[]): readonly VmEntry[] =>
  [...vms].sort((a, b) => byName.compare(a.vm.name, b.vm.name));
