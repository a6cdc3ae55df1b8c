/** The registry of hosts. */
import { Mutex } from '../base/concurrency.ts';
import type { HostEntry } from '../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { parseAgentUrl } from './agent-client/dial.ts';
import { ManagedHost } from './managed-host.ts';
import type { AgentIdentity } from './managed-host.ts';
import type { PasswordSource } from './password-source.ts';
import type { SecretStore } from './secrets.ts';
import type { HostRecord, Store } from './store/store.ts';

/** A host as the user gives it. */
export interface NewHost {
  readonly name: string;
  readonly url: string;
  readonly password: PasswordSource;
  readonly threads: number;
  readonly replace: boolean;
}

/** What to change of a host; what is absent stays. */
export interface HostChange {
  readonly name: string;
  readonly url?: string | undefined;
  readonly password?: PasswordSource | undefined;
  readonly threads?: number | undefined;
  /** Take the certificate that the host shows now. */
  readonly acceptCertificate?: boolean | undefined;
}

/** What a registry is made of. */
export interface HostRegistryOptions {
  readonly store: Store;
  readonly secrets: SecretStore;
  readonly identity: AgentIdentity;
  /** Whether a run works with the host of that name. */
  readonly inUse: (name: string) => boolean;
  /** Called when the list, or what clients see of a host, changed. */
  readonly onChange: () => void;
  /** Called when a host was added, changed or removed. */
  readonly onReplaced: (name: string) => void;
}

/** Hosts by name. */
export class HostRegistry {
  readonly #options: HostRegistryOptions;
  readonly #hosts = new Map<string, ManagedHost>();
  readonly #mutex = new Mutex();

  constructor(options: HostRegistryOptions) {
    this.#options = options;
    for (const record of options.store.hosts()) this.#hosts.set(record.name, this.#managed(record));
  }

  /** Throws `TM5201`. */
  get(name: string): ManagedHost {
    const host = this.#hosts.get(name);
    if (host !== undefined) return host;
    throw new TidemarkError(errorCodes.hostNotFound, `There is no host named ${name}.`, {
      hint: '`tidemark host list` shows them; `tidemark host add` adds one.',
    });
  }

  /** By name. */
  list(): readonly ManagedHost[] {
    return [...this.#hosts.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Adds a host once a connection to it succeeded; an https certificate is pinned to the one it showed. Throws `TM5202` and what connecting throws. */
  async add(host: NewHost, signal: AbortSignal): Promise<HostEntry> {
    const url = checkedUrl(host.url);
    return this.#mutex.run(async () => {
      const entry = await this.#put({ ...host, url }, undefined, signal);
      this.#options.identity.log.log('info', `Added host ${host.name} at ${url}`);
      return entry;
    });
  }

  /**
   * Changes what is given once a connection with it succeeded. Throws `TM5201`, `TM5202` for a URL that is another host's, `TM5005` while a run
   * works with the host, and what connecting throws.
   */
  async edit(change: HostChange, signal: AbortSignal): Promise<HostEntry> {
    return this.#mutex.run(async () => {
      const { record } = this.get(change.name);
      const url = change.url === undefined ? record.url : checkedUrl(change.url);
      const keepsPin = url === record.url && change.acceptCertificate !== true;
      const host = {
        name: record.name,
        url,
        password: change.password ?? this.#options.secrets.get('hosts', record.name),
        threads: change.threads ?? record.threads,
        replace: true,
      };
      const entry = await this.#put(host, keepsPin ? record.certificateSha256 : undefined, signal);
      this.#options.identity.log.log('info', `Changed host ${record.name}`);
      return entry;
    });
  }

  /** Connects, then stores; `pin` is the only certificate to accept. */
  async #put(host: NewHost, pin: string | undefined, signal: AbortSignal): Promise<HostEntry> {
    const { name, url, threads } = host;
    this.#refuseTaken(host, url);
    const { owner, client, connect, log } = this.#options.identity;
    const password = await this.#options.secrets.resolve(host.password, signal);
    const connection = await connect({ url, password, certificateSha256: pin }, { owner, client, signal, log });
    try {
      // Asked again: a run may have begun while the connection was tested.
      this.#refuseTaken(host, url);
      const { certificateSha256 } = connection;
      const record: HostRecord = { name, url, threads, certificateSha256 };
      await this.#options.secrets.set('hosts', name, host.password);
      this.#options.store.putHost(record);
      const managed = this.#managed(record);
      managed.adopt(connection);
      const old = this.#hosts.get(name);
      this.#hosts.set(name, managed);
      await old?.close();
      this.#replaced(name);
      return managed.entry();
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Throws `TM5201`, and `TM5005` while a run works with the host. */
  async remove(name: string): Promise<void> {
    await this.#mutex.run(async () => {
      const host = this.get(name);
      this.#refuseInUse(name);
      this.#options.store.deleteHost(name);
      this.#hosts.delete(name);
      await this.#options.secrets.delete('hosts', name);
      await host.close();
      this.#replaced(name);
      this.#options.identity.log.log('info', `Removed host ${name}`);
    });
  }

  /** A host answers at another URL now, with everything else as it was. Does nothing when the host is not known (yet). */
  move(name: string, url: string): void {
    const old = this.#hosts.get(name);
    if (old === undefined || old.record.url === url) return;
    const record = { ...old.record, url };
    this.#options.store.putHost(record);
    this.#hosts.set(name, this.#managed(record));
    old.close().catch((error: unknown) => this.#options.identity.log.log('debug', `Leaving ${old.record.url}`, error));
    this.#replaced(name);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.allSettled(this.list().map((host) => host.close()));
  }

  #replaced(name: string): void {
    this.#options.onReplaced(name);
    this.#options.onChange();
  }

  #managed(record: HostRecord): ManagedHost {
    const { name } = record;
    const password = {
      read: async (signal: AbortSignal) => this.#options.secrets.read('hosts', name, signal),
      source: () => this.#options.secrets.find('hosts', name),
    };
    return new ManagedHost(record, password, this.#options.identity, this.#options.onChange);
  }

  #refuseTaken(host: NewHost, url: string): void {
    if (this.#hosts.has(host.name) && !host.replace) {
      throw new TidemarkError(errorCodes.hostExists, `A host named ${host.name} exists already.`, {
        hint: 'Choose another name, or replace it with --replace.',
      });
    }
    const same = this.list().find((other) => other.record.url === url && other.name !== host.name);
    if (same !== undefined) {
      throw new TidemarkError(errorCodes.hostExists, `${url} is known already, as host ${same.name}.`, {
        hint: `Use ${same.name}, or remove it first.`,
      });
    }
    if (this.#hosts.has(host.name)) this.#refuseInUse(host.name);
  }

  #refuseInUse(name: string): void {
    if (!this.#options.inUse(name)) return;
    throw new TidemarkError(errorCodes.daemonBusy, `A run is using host ${name}.`, {
      hint: 'Wait for it to end, or cancel it (`tidemark run list`).',
    });
  }
}

/** The URL of an agent, normalized: scheme, host and port, which `URL` would drop where it is the scheme's own. Throws `TM1001`. */
function checkedUrl(text: string): string {
  const { host, port, tls } = parseAgentUrl(text);
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
