/** Restore points in pages, and their counts by VM and by day. A repository may hold tens of thousands: nobody reads them all. */
import * as daemon from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import type { RestorePointId } from '../../server/protocol/ids.ts';
import type { RestorePointInfo } from '../../server/protocol/model.ts';
import type { Parsed } from '../../server/protocol/parse.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { CachedValues } from './cached-values.ts';
import { Loads } from './loads.ts';
import { localTimezone, queryKey } from './point-query.ts';
import type { PointQuery } from './point-query.ts';

/** A restore point that cannot be read, with the reason. */
export type DamagedPoint = Parsed<typeof daemon.damagedRestorePoint>;
/** A repository's restore points, counted by VM and by day. */
export type PointSummary = Parsed<typeof daemon.summarizeRestorePoints.result>;

/** The newest restore points of a query. */
export interface PointList {
  /** Newest first. */
  readonly points: readonly RestorePointInfo[];
  readonly damaged: readonly DamagedPoint[];
  /** How many there are. */
  readonly total: number;
  /** Whether older ones follow. */
  readonly hasMore: boolean;
}

/** What changed: one list (by `queryKey`), one repository's summary, or anything. */
export type PointChange =
  | { readonly kind: 'list'; readonly query: PointQuery; readonly key: string }
  | { readonly kind: 'summary'; readonly repository: string }
  | { readonly kind: 'all' };

type List = Cached<PointList>;
const noList: List = unread({ points: [], damaged: [], total: 0, hasMore: false });

/** Restore points read at a time. */
export const pageSize = 100;
/** Opening a repository on a share may take a while, ms. */
const timeoutMs = 60_000;
/** Lists kept at most; the one not used for longest goes first. */
const maxLists = 200;

/** Keeps lists and summaries of restore points. Only the `load` methods ask the daemon. */
export class RestorePointStore {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<PointChange>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<string>();
  readonly #lists = new Map<string, { readonly query: PointQuery; list: List }>();
  readonly #summaries = new CachedValues<PointSummary | undefined>({
    none: undefined,
    most: maxLists,
    changed: (repository) => this.#emitter.fire({ kind: 'summary', repository }),
  });
  /** Counts expiries: what was read across one may be old already. */
  #generation = 0;

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind !== 'connected' && kind !== 'starting') this.expire();
      }),
    );
  }

  readonly onDidChange: Event<PointChange> = (listener) => this.#emitter.event(listener);

  /** The restore points of a query as far as they were read; `unread` when nobody loaded them. */
  list(query: PointQuery): List {
    return this.#lists.get(queryKey(query))?.list ?? noList;
  }

  /** A repository's counts; `unread` when nobody loaded them. */
  summary(repository: string): Cached<PointSummary | undefined> {
    return this.#summaries.get(repository);
  }

  /** A restore point that some list holds. */
  point(id: RestorePointId): RestorePointInfo | undefined {
    for (const { list } of this.#lists.values()) {
      const found = list.value.points.find((point) => point.id === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Reads the newest restore points of a query, as many as were shown but at least a page. A failure is in `list`, not thrown. */
  async load(query: PointQuery, { force = false, signal }: LoadOptions = {}): Promise<void> {
    const known = this.list(query);
    if (!force && known.state === 'ready' && !known.stale) return;
    const limit = Math.min(10_000, Math.max(pageSize, known.value.points.length));
    await this.#read(query, limit, undefined, signal);
  }

  /** Reads the next page of a query. */
  async loadMore(query: PointQuery, signal?: AbortSignal): Promise<void> {
    const { points, hasMore } = this.list(query).value;
    const oldest = points.at(-1);
    if (oldest === undefined || !hasMore) return this.load(query, { signal });
    return this.#read(query, pageSize, oldest.id, signal);
  }

  /** Reads a repository's counts unless they are fresh. A failure is in `summary`, not thrown. */
  async loadSummary(repository: string, options: LoadOptions = {}): Promise<void> {
    const { signal } = options;
    const params = { repository, timezone: localTimezone() };
    const read = async (): Promise<PointSummary> =>
      this.#link.request(daemon.summarizeRestorePoints, params, { signal, timeoutMs });
    await this.#summaries.load(repository, read, options);
  }

  /** Marks what is known of a repository, or of all, so that the next load reads it. */
  expire(repository?: string): void {
    this.#generation++;
    for (const entry of this.#lists.values()) {
      const { repository: of } = entry.query;
      if (repository === undefined || of === undefined || of === repository) entry.list = outdated(entry.list);
    }
    this.#summaries.expire(repository);
    this.#emitter.fire({ kind: 'all' });
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #read(
    query: PointQuery,
    limit: number,
    before: RestorePointId | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#loads.once(queryKey(query), async () => {
      const known = this.list(query);
      const generation = this.#generation;
      this.#setList(query, loading(known));
      try {
        const { repository, vmId: vm, day } = query;
        const params = { repository, vm, day, timezone: localTimezone(), limit, before };
        const answer = await this.#link.request(daemon.listRestorePoints, params, { signal, timeoutMs });
        const points = before === undefined ? answer.restorePoints : joined(known.value.points, answer.restorePoints);
        const { damaged, total = points.length, hasMore = false } = answer;
        const list = ready({ points, damaged, total, hasMore }, Date.now());
        this.#setList(query, this.#aged(list, generation));
      } catch (error) {
        this.#setList(query, failed(this.list(query), TidemarkError.from(error)));
      }
    });
  }

  #aged<T>(fresh: Cached<T>, generation: number): Cached<T> {
    return generation === this.#generation ? fresh : outdated(fresh);
  }

  #setList(query: PointQuery, list: List): void {
    const key = queryKey(query);
    this.#lists.delete(key);
    this.#lists.set(key, { query, list });
    const [oldest] = this.#lists.keys();
    if (this.#lists.size > maxLists && oldest !== undefined) this.#lists.delete(oldest);
    this.#emitter.fire({ kind: 'list', query, key });
  }
}

/** One list, newest first, without what both have. */
function joined(newer: readonly RestorePointInfo[], older: readonly RestorePointInfo[]): readonly RestorePointInfo[] {
  const known = new Set(newer.map(({ id }) => id));
  return [...newer, ...older.filter(({ id }) => !known.has(id))];
}
