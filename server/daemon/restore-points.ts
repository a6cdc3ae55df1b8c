/** Restore points across all repositories. */
import type { Logger } from '../base/log.ts';
import type { VmEntry } from '../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { ErrorReport } from '../protocol/errors.ts';
import type { ReferencePointId, RestorePointId } from '../protocol/ids.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import { withDeadline } from './deadline.ts';
import type { RepositoryRegistry } from './repositories.ts';
import { restorePointInfo } from './restore-point-info.ts';
import { findRestorePoint } from './runs/find-restore-point.ts';

/** The answer of `listRestorePoints`. */
export interface RestorePointListing {
  readonly restorePoints: readonly RestorePointInfo[];
  readonly damaged: readonly { readonly repository: string; readonly file: string; readonly error: ErrorReport }[];
}

/** Newest restore point of a VM, as lists of VMs show it. */
export type LastRestorePoint = NonNullable<VmEntry['lastRestorePoint']>;

/** How long a list of VMs waits for repositories before it does without them, ms. */
const latestTimeoutMs = 5000;
/** How old the newest restore points in a list of VMs may be when another program wrote to the repository, ms. */
const latestMaxAgeMs = 30_000;

/** Lists, finds and deletes restore points. */
export class RestorePoints {
  readonly #repositories: RepositoryRegistry;
  readonly #log: Logger;
  #latest: { readonly readAt: number; readonly byVm: ReadonlyMap<string, LastRestorePoint> } | undefined;
  #reading: Promise<ReadonlyMap<string, LastRestorePoint>> | undefined;

  constructor(repositories: RepositoryRegistry, log: Logger) {
    this.#repositories = repositories;
    this.#log = log;
  }

  /**
   * Restore points, oldest first. Without a named repository, one that cannot be read is among `damaged`; a named one throws.
   * `vm` is a name or GUID.
   */
  async list(
    filter: { readonly repository?: string | undefined; readonly vm?: string | undefined },
    signal: AbortSignal,
  ): Promise<RestorePointListing> {
    const restorePoints: RestorePointInfo[] = [];
    const damaged: RestorePointListing['damaged'][number][] = [];
    const wanted = filter.vm?.toUpperCase();
    for (const name of filter.repository === undefined ? this.#repositories.names() : [filter.repository]) {
      try {
        const repository = await this.#repositories.open(name, signal);
        const listing = await repository.listRestorePoints(signal);
        for (const point of listing.points) {
          if (wanted !== undefined && point.vmId !== wanted && point.vmName.toUpperCase() !== wanted) continue;
          restorePoints.push(restorePointInfo(point, name));
        }
        for (const { file, error } of listing.damaged) {
          damaged.push({ repository: name, file, error: TidemarkError.from(error).report() });
        }
      } catch (error) {
        throwIfAborted(signal);
        if (filter.repository !== undefined) throw error;
        damaged.push({ repository: name, file: '(the whole repository)', error: TidemarkError.from(error).report() });
      }
    }
    return { restorePoints: restorePoints.toSorted((a, b) => (a.id < b.id ? -1 : 1)), damaged };
  }

  /** Throws `TM4011` when no repository has it. */
  async get(id: RestorePointId, repository: string | undefined, signal: AbortSignal): Promise<RestorePointInfo> {
    const found = await this.#find(id, repository, signal);
    return restorePointInfo(found.point, found.name);
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
      refuse(restorePointInfo(found.point, found.name));
      name = found.name;
    } catch (error) {
      if (name === undefined || !TidemarkError.is(error, errorCodes.restorePointCorrupt)) throw error;
      refuse(undefined);
    }
    const opened = await this.#repositories.open(name, signal);
    await opened.deleteRestorePoint(id, signal);
    this.invalidate();
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

  /** The newest restore point of each VM, from a short-lived cache; never throws and never waits long. */
  async latestByVm(signal: AbortSignal): Promise<ReadonlyMap<string, LastRestorePoint>> {
    const cached = this.#latest;
    if (cached !== undefined && performance.now() - cached.readAt < latestMaxAgeMs) return cached.byVm;
    const late = (): TidemarkError =>
      new TidemarkError(errorCodes.repositoryUnavailable, 'The repositories did not answer in time.');
    try {
      return await withDeadline(signal, latestTimeoutMs, late, async () => {
        this.#reading ??= this.#readLatest().finally(() => (this.#reading = undefined));
        return this.#reading;
      });
    } catch (error) {
      this.#log.log('debug', 'The list of VMs goes without the newest restore points', error);
      return cached?.byVm ?? new Map();
    }
  }

  /** Forgets the cache: something was written or deleted. */
  invalidate(): void {
    this.#latest = undefined;
  }

  async #readLatest(): Promise<ReadonlyMap<string, LastRestorePoint>> {
    const readAt = performance.now();
    const { restorePoints } = await this.list({}, new AbortController().signal);
    const byVm = new Map(
      restorePoints.map((point) => [
        point.vmId as string,
        { id: point.id, createdAt: point.createdAt, repository: point.repository },
      ]),
    );
    this.#latest = { readAt, byVm };
    return byVm;
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
