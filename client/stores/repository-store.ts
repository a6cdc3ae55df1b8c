/** The repositories and, for each, its status: reading one opens it and may take a while, so none waits for another. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { RepositoryEntry, RepositoryStatus } from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';

/** Which repositories changed; `all` when the list or its state did. */
export interface RepositoryChange {
  readonly repositories: readonly string[] | 'all';
}

type Status = Cached<RepositoryStatus | undefined>;
const nothing: Status = unread(undefined);

/** A repository on a share may sleep: how long its status may take, ms. */
const statusTimeoutMs = 60_000;

/** Keeps repositories and their status. Only the `load` methods ask the daemon. */
export class RepositoryStore {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<RepositoryChange>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<string>();
  readonly #status = new Map<string, Status>();
  /** Counts expiries: what was read across one may be old already. */
  #generation = 0;
  #repositories: Cached<readonly RepositoryEntry[]> = unread([]);

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind === 'connected' || kind === 'starting') return;
        for (const [name, status] of this.#status) this.#status.set(name, outdated(status));
        this.#setList(outdated(this.#repositories));
      }),
    );
  }

  readonly onDidChange: Event<RepositoryChange> = (listener) => this.#emitter.event(listener);

  get repositories(): Cached<readonly RepositoryEntry[]> {
    return this.#repositories;
  }

  repository(name: string): RepositoryEntry | undefined {
    return this.#repositories.value.find((entry) => entry.name === name);
  }

  /** Sizes and health; `unread` when nobody loaded them. */
  status(name: string): Status {
    return this.#status.get(name) ?? nothing;
  }

  /** Reads the list unless it is fresh. A failure is in `repositories`, not thrown. */
  async load({ force = false, signal }: LoadOptions = {}): Promise<void> {
    if (!force && this.#repositories.state === 'ready' && !this.#repositories.stale) return;
    const load = async (): Promise<void> => {
      // A list that can be shown stays as it is until the new one is there.
      if (this.#repositories.state !== 'ready') this.#setList(loading(this.#repositories));
      try {
        const { repositories } = await this.#link.request(daemon.listRepositories, {}, { signal });
        this.#setList(ready(sorted(repositories), Date.now()));
      } catch (error) {
        this.#setList(failed(this.#repositories, TidemarkError.from(error)));
      }
    };
    // A repository's name holds no colon: this key is no repository.
    await this.#loads.once(':list', load, force);
  }

  /** Reads a repository's status unless it is fresh. A failure is in `status`, not thrown. */
  async loadStatus(name: string, { force = false, signal }: LoadOptions = {}): Promise<void> {
    const known = this.status(name);
    if (!force && known.state === 'ready' && !known.stale) return;
    const load = async (): Promise<void> => {
      const generation = this.#generation;
      this.#setStatus(name, loading(this.status(name)));
      try {
        const options = { signal, timeoutMs: statusTimeoutMs };
        const status = await this.#link.request(daemon.getRepositoryStatus, { name }, options);
        const fresh = ready(status, Date.now());
        this.#setStatus(name, generation === this.#generation ? fresh : outdated(fresh));
      } catch (error) {
        this.#setStatus(name, failed(this.status(name), TidemarkError.from(error)));
      }
    };
    await this.#loads.once(name, load, force);
  }

  /** Takes in the whole list, as the daemon told it unasked. */
  replace(repositories: readonly RepositoryEntry[]): void {
    this.#setList(ready(sorted(repositories), Date.now()));
  }

  /** Marks the status, so that the next load reads it: a run wrote to the repository. */
  expire(name: string): void {
    this.#generation++;
    const known = this.#status.get(name);
    if (known !== undefined) this.#setStatus(name, outdated(known));
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #setList(repositories: Cached<readonly RepositoryEntry[]>): void {
    this.#repositories = repositories;
    this.#emitter.fire({ repositories: 'all' });
  }

  #setStatus(name: string, status: Status): void {
    this.#status.set(name, status);
    this.#emitter.fire({ repositories: [name] });
  }
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
const sorted = (entries: readonly RepositoryEntry[]): readonly RepositoryEntry[] =>
  [...entries].sort((a, b) => byName.compare(a.name, b.name));
