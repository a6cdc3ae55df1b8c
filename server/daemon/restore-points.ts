/** Restore points across all repositories. */
import type { Logger } from '../base/log.ts';
import type { VmBackups, VmEntry } from '../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { ReferencePointId, RestorePointId } from '../protocol/ids.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import type { InventoryChanges } from './changes.ts';
import { abortable, withDeadline } from './deadline.ts';
import { Latest } from './latest.ts';
import type { RestorePointPin } from '../repository/index.ts';
import type { RepositoryRegistry } from './repositories.ts';
import { restorePointInfo } from './restore-point-info.ts';
import { backupsByVm, RestorePointReader } from './restore-point-index.ts';
import type {
  DamagedRestorePoint,
  RestorePointCounts,
  RestorePointFilter,
  RestorePointListing,
} from './restore-point-index.ts';
import { findRestorePoint } from './runs/find-restore-point.ts';

/** Which restore points; see `listRestorePoints` in protocol/daemon/restore-points.ts. */
export interface RestorePointQuery extends RestorePointFilter {
  readonly repository?: string | undefined;
  readonly limit?: number | undefined;
}

/** The answer of `listRestorePoints`. */
export interface RestorePointPage {
  readonly restorePoints: readonly RestorePointInfo[];
  readonly damaged: readonly DamagedRestorePoint[];
  readonly total?: number;
  readonly hasMore?: boolean;
}

/** What lists of VMs show of their backups. */
export type VmBackupFields = Pick<VmEntry, 'lastRestorePoint' | 'backups'>;

/** How old what is shown may be when another program wrote to the repository, ms. What this daemon does is seen at once. */
const maxAgeMs = 30_000;

/** Lists, finds and deletes restore points. */
export class RestorePoints {
  readonly #repositories: RepositoryRegistry;
  readonly #log: Logger;
  readonly #changes: InventoryChanges;
  readonly #reader: RestorePointReader;
  readonly #latest = new Map<string, Latest<RestorePointListing>>();
  #byVm: { readonly listings: readonly RestorePointListing[]; readonly fields: ReadonlyMap<string, VmBackupFields> } = {
    listings: [],
    fields: new Map(),
  };

  constructor(repositories: RepositoryRegistry, changes: InventoryChanges, log: Logger) {
    this.#repositories = repositories;
    this.#changes = changes;
    this.#log = log;
    this.#reader = new RestorePointReader(log);
  }

  /**
   * Restore points: all that fit, listed anew, oldest first; or with a `limit` the newest of them, from memory. Without a named repository, one
   * that cannot be read is among `damaged`; a named one throws. Throws `TM1001` for an unknown time zone.
   */
  async list(query: RestorePointQuery, signal: AbortSignal): Promise<RestorePointPage> {
    const { repository, limit } = query;
    const read = (latest: Latest<RestorePointListing>): Promise<RestorePointListing> =>
      limit === undefined ? latest.fresh() : latest.within(maxAgeMs);
    const names = repository === undefined ? this.#repositories.names() : [repository];
    const found: RestorePointInfo[] = [];
    const damaged: DamagedRestorePoint[] = [];
    for (const name of names) {
      let listing: RestorePointListing;
      try {
        listing = await abortable(read(this.#of(name)), signal);
      } catch (error) {
        throwIfAborted(signal);
        if (repository !== undefined) throw error;
        damaged.push({ repository: name, file: '(the whole repository)', error: TidemarkError.from(error).report() });
        continue;
      }
      for (const point of listing.select(query)) found.push(point);
      damaged.push(...listing.damaged);
    }
    const sorted = names.length === 1 ? found : found.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (limit === undefined) return { restorePoints: sorted, damaged };
    // What follows a page belongs to what the filter finds, whatever the page.
    const total = query.before === undefined ? sorted.length : this.#total(query, names);
    return { restorePoints: sorted.slice(-limit).toReversed(), damaged, total, hasMore: sorted.length > limit };
  }

  /** Counts of one repository, from memory. Throws `TM5203`, what opening throws, and `TM1001` for an unknown time zone. */
  async summary(
    repository: string,
    timezone: string | undefined,
    signal: AbortSignal,
  ): Promise<
    RestorePointCounts & { readonly restorePoints: number; readonly damaged: readonly DamagedRestorePoint[] }
  > {
    const listing = await abortable(this.#of(repository).within(maxAgeMs), signal);
    const { points, damaged } = listing;
    return { restorePoints: points.length, ...listing.counts(timezone), damaged };
  }

  /** All restore points of a repository, from memory. Throws `TM5203` and what opening throws. */
  async listing(repository: string, signal: AbortSignal): Promise<RestorePointListing> {
    return abortable(this.#of(repository).within(maxAgeMs), signal);
  }

  /** Throws `TM4011` when no repository has it. */
  async get(id: RestorePointId, repository: string | undefined, signal: AbortSignal): Promise<RestorePointInfo> {
    const found = await this.#find(id, repository, signal);
    const pins = await found.repository.pins(signal);
    return restorePointInfo(found.point, found.name, pins.get(id));
  }

  /**
   * Pins a restore point; without a pin unpins it. Throws `TM4011` when no repository has it, and `TM4012` for a damaged one, which is
   * unpinned all the same when its repository is named: it could not be deleted otherwise.
   */
  async pin(
    id: RestorePointId,
    repository: string | undefined,
    pin: RestorePointPin | undefined,
    signal: AbortSignal,
  ): Promise<RestorePointInfo> {
    const set = async (name: string): Promise<void> => {
      await (await this.#repositories.open(name, signal)).setPin(id, pin, signal);
      this.invalidate(name);
      this.#log.log('info', `Restore point ${id} in ${name} was ${pin === undefined ? 'un' : ''}pinned`);
    };
    try {
      const found = await this.#find(id, repository, signal);
      await set(found.name);
      return restorePointInfo(found.point, found.name, pin);
    } catch (error) {
      const isDamaged = TidemarkError.is(error, errorCodes.restorePointCorrupt);
      if (!isDamaged || repository === undefined || pin !== undefined) throw error;
      await set(repository);
      throw new TidemarkError(errorCodes.restorePointCorrupt, `${error.message} It is not pinned any more.`, {
        hint: error.hint,
        cause: error,
      });
    }
  }

  /** Deletes a restore point; `refuse` throws when it may not be. One that is damaged can be deleted when its repository is named. */
  async delete(
    id: RestorePointId,
    repository: string | undefined,
    refuse: (point: RestorePointInfo | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let name = repository;
    try {
      const found = await this.#find(id, repository, signal);
      refuse(restorePointInfo(found.point, found.name, undefined));
      name = found.name;
    } catch (error) {
      if (name === undefined || !TidemarkError.is(error, errorCodes.restorePointCorrupt)) throw error;
      refuse(undefined);
    }
    const opened = await this.#repositories.open(name, signal);
    await opened.deleteRestorePoint(id, signal);
    this.invalidate(name);
    this.#log.log('info', `Deleted restore point ${id} from repository ${name}`);
  }

  /**
   * Every reference point that a restore point names. Undefined when that cannot be told for sure: when a repository or a
   * restore point cannot be read, or when no repository is known (a lost database must not cost the hosts their reference points).
   */
  async knownReferencePoints(signal: AbortSignal): Promise<ReadonlySet<ReferencePointId> | undefined> {
    if (this.#repositories.names().length === 0) return undefined;
    const { restorePoints, damaged } = await this.list({}, signal);
    if (damaged.length > 0) return undefined;
    return new Set(restorePoints.flatMap((point) => point.referencePointId ?? []));
  }

  /** What is backed up of each VM; waits for a repository at most `patienceMs`, and never throws. */
  async byVm(patienceMs: number, signal: AbortSignal): Promise<ReadonlyMap<string, VmBackupFields>> {
    const late = (): TidemarkError =>
      new TidemarkError(errorCodes.repositoryUnavailable, 'The repository did not answer in time.');
    const readings = this.#repositories.names().map(async (name) => {
      try {
        await withDeadline(signal, patienceMs, late, async () => this.#of(name).within(maxAgeMs));
      } catch (error) {
        this.#log.log('debug', `The list of VMs goes without the restore points of ${name}`, error);
      }
    });
    await Promise.all(readings);
    return this.byVmNow();
  }

  /** As `byVm`, but only what is in memory. */
  byVmNow(): ReadonlyMap<string, VmBackupFields> {
    const listings = this.#repositories.names().flatMap((name) => this.#latest.get(name)?.value ?? []);
    const { listings: before } = this.#byVm;
    if (listings.length !== before.length || listings.some((listing, index) => listing !== before[index])) {
      const fields = new Map([...backupsByVm(listings)].map(([vm, backups]) => [vm, fieldsOf(backups)]));
      this.#byVm = { listings, fields };
    }
    return this.#byVm.fields;
  }

  /** Looks again at what somebody looks at. */
  refresh(): void {
    for (const name of this.#repositories.names()) this.#readSoon(name, maxAgeMs);
  }

  /** Something was written to a repository, or deleted; to any when none is named. */
  invalidate(repository?: string): void {
    for (const name of repository === undefined ? this.#repositories.names() : [repository]) {
      const latest = this.#latest.get(name);
      latest?.invalidate();
      if (latest?.value !== undefined) this.#readSoon(name, maxAgeMs);
    }
    for (const name of this.#latest.keys()) if (!this.#repositories.names().includes(name)) this.#latest.delete(name);
  }

  #readSoon(name: string, ageMs: number): void {
    this.#of(name)
      .within(ageMs)
      .catch((error: unknown) => this.#log.log('debug', `The restore points of ${name} cannot be listed`, error));
  }

  #of(name: string): Latest<RestorePointListing> {
    const known = this.#latest.get(name);
    if (known !== undefined) return known;
    const latest: Latest<RestorePointListing> = new Latest(async () => this.#read(name, latest.value));
    this.#latest.set(name, latest);
    return latest;
  }

  async #read(name: string, before: RestorePointListing | undefined): Promise<RestorePointListing> {
    const { signal } = new AbortController();
    const listing = await this.#reader.list(name, await this.#repositories.open(name, signal), signal);
    if (before?.sameAs(listing) === true) return before;
    // Not before whoever is told can read it.
    setImmediate(() => this.#changes.emit({ kind: 'restorePoints', repository: name }));
    return listing;
  }

  #total(query: RestorePointQuery, names: readonly string[]): number {
    const counts = names.map(
      (name) => this.#latest.get(name)?.value?.select({ ...query, before: undefined }).length ?? 0,
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #find(
    restorePoint: RestorePointId,
    repository: string | undefined,
    signal: AbortSignal,
  ): ReturnType<typeof findRestorePoint> {
    const log: Logger['log'] = (level, text, error) => this.#log.log(level, text, error);
    return findRestorePoint({ repository, restorePoint }, { signal, log }, { repositories: this.#repositories });
  }
}

function fieldsOf(backups: VmBackups): VmBackupFields {
  const { id, createdAt, repository } = backups.last;
  return { lastRestorePoint: { id, createdAt, repository }, backups };
}
