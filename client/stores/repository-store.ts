/** The repositories and, for each, its status: reading one opens it and may take a while, so none waits for another. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { RepositoryEntry, RepositoryStatus } from '../../server/protocol/daemon.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { CachedValues } from './cached-values.ts';
import { NamedList } from './named-list.ts';
import type { ListChange } from './named-list.ts';

/** Which repositories changed; `all` when the list or its state did. */
export interface RepositoryChange {
  readonly repositories: ListChange;
}

/** A repository on a share may sleep: how long its status may take, ms. */
const statusTimeoutMs = 60_000;
/** More repositories than anybody has. */
const maxStatus = 1000;

/** Keeps repositories and their status. Only the `load` methods ask the daemon. */
export class RepositoryStore {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<RepositoryChange>();
  readonly #owned = new Subscriptions();
  readonly #list: NamedList<RepositoryEntry>;
  readonly #status = new CachedValues<RepositoryStatus | undefined>({
    none: undefined,
    most: maxStatus,
    changed: (name) => this.#emitter.fire({ repositories: [name] }),
  });

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#list = new NamedList(
      async (signal) => (await link.request(daemon.listRepositories, {}, { signal })).repositories,
      (repositories) => this.#emitter.fire({ repositories }),
    );
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind === 'connected' || kind === 'starting') return;
        this.#status.expire();
        this.#list.outdate();
      }),
    );
  }

  readonly onDidChange: Event<RepositoryChange> = (listener) => this.#emitter.event(listener);

  get repositories(): Cached<readonly RepositoryEntry[]> {
    return this.#list.cached;
  }

  repository(name: string): RepositoryEntry | undefined {
    return this.#list.find(name);
  }

  /** Sizes and health; `unread` when nobody loaded them. */
  status(name: string): Cached<RepositoryStatus | undefined> {
    return this.#status.get(name);
  }

  /** Reads the list unless it is fresh. A failure is in `repositories`, not thrown. */
  async load(options?: LoadOptions): Promise<void> {
    await this.#list.load(options);
  }

  /** Reads a repository's status unless it is fresh. A failure is in `status`, not thrown. */
  async loadStatus(name: string, options: LoadOptions = {}): Promise<void> {
    const { signal } = options;
    const read = async (): Promise<RepositoryStatus> =>
      this.#link.request(daemon.getRepositoryStatus, { name }, { signal, timeoutMs: statusTimeoutMs });
    await this.#status.load(name, read, options);
  }

  /** Takes in the whole list, as the daemon told it unasked. */
  replace(repositories: readonly RepositoryEntry[]): void {
    this.#list.replace(repositories);
  }

  /** Marks the status, so that the next load reads it: a run wrote to the repository. */
  expire(name: string): void {
    this.#status.expire(name);
    this.#emitter.fire({ repositories: [name] });
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
