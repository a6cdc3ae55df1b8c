/** The restore points of one repository in memory: read once, refreshed by listing files, and ready to be filtered, counted and paged. */
import type { Logger } from '../base/log.ts';
import type { VmBackups } from '../protocol/daemon.ts';
import { TidemarkError } from '../protocol/errors.ts';
import type { ErrorReport } from '../protocol/errors.ts';
import type { OwnerId, RestorePointId } from '../protocol/ids.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import type { Repository, RestorePointPin, StoredRestorePoint } from '../repository/index.ts';
import { daysOf } from './calendar.ts';
import { restorePointInfo } from './restore-point-info.ts';

/** A restore point that cannot be read. */
export interface DamagedRestorePoint {
  readonly repository: string;
  readonly file: string;
  readonly error: ErrorReport;
}

/** Which restore points of a repository. */
export interface RestorePointFilter {
  /** A VM's name or GUID. */
  readonly vm?: string | undefined;
  readonly day?: string | undefined;
  readonly timezone?: string | undefined;
  /** Only older ones. */
  readonly before?: RestorePointId | undefined;
}

/** How many restore points there are of what, without their contents. */
export interface RestorePointCounts {
  readonly vms: readonly {
    readonly vmId: RestorePointInfo['vmId'];
    readonly vmName: string;
    readonly count: number;
    readonly newestAt: string;
    readonly oldestAt: string;
    readonly newest: RestorePointId;
  }[];
  readonly days: readonly { readonly day: string; readonly count: number }[];
}

/** Time zones whose days are kept; one window, one zone. */
const maxTimezones = 8;

/** One listing of a repository; never changes. */
export class RestorePointListing {
  readonly repository: string;
  /** Oldest first. */
  readonly points: readonly RestorePointInfo[];
  readonly damaged: readonly DamagedRestorePoint[];
  readonly #madeBy: (point: RestorePointInfo) => OwnerId | undefined;
  readonly #days = new Map<string, readonly string[]>();

  /** `madeBy` tells which daemon made a restore point of this listing. */
  constructor(
    repository: string,
    points: readonly RestorePointInfo[],
    damaged: readonly DamagedRestorePoint[],
    madeBy: (point: RestorePointInfo) => OwnerId | undefined,
  ) {
    this.repository = repository;
    this.points = points;
    this.damaged = damaged;
    this.#madeBy = madeBy;
  }

  /** The restore points that a policy made, with the daemon that did. */
  madeFor(policy: string): readonly (RestorePointInfo & { readonly owner: OwnerId })[] {
    return this.points.flatMap((point) => {
      const owner = point.policy === policy ? this.#madeBy(point) : undefined;
      return owner === undefined ? [] : [{ ...point, owner }];
    });
  }

  /** Those that fit, oldest first. Throws `TM1001` for an unknown time zone. */
  select({ vm, day, timezone, before }: RestorePointFilter): readonly RestorePointInfo[] {
    const wanted = vm?.toUpperCase();
    const days = day === undefined ? undefined : this.#daysIn(timezone);
    return this.points.filter(
      (point, index) =>
        (before === undefined || point.id < before) &&
        (days === undefined || days[index] === day) &&
        (wanted === undefined || point.vmId === wanted || point.vmName.toUpperCase() === wanted),
    );
  }

  /** Throws `TM1001` for an unknown time zone. */
  counts(timezone: string | undefined): RestorePointCounts {
    const byDay = new Map<string, number>();
    for (const day of this.#daysIn(timezone)) byDay.set(day, (byDay.get(day) ?? 0) + 1);
    const vms = [...groupByVm(this.points).values()].flatMap((points) => {
      const [oldest, newest] = [points[0], points.at(-1)];
      if (oldest === undefined || newest === undefined) return [];
      const { vmId, vmName, id, createdAt } = newest;
      return [{ vmId, vmName, count: points.length, newestAt: createdAt, oldestAt: oldest.createdAt, newest: id }];
    });
    return {
      vms: vms.toSorted((a, b) => a.vmName.localeCompare(b.vmName)),
      days: [...byDay].map(([day, count]) => ({ day, count })).toSorted((a, b) => (a.day > b.day ? -1 : 1)),
    };
  }

  /** Whether a later listing shows the same. */
  sameAs(other: RestorePointListing): boolean {
    const { points, damaged } = this;
    return (
      points.length === other.points.length &&
      points.every((point, index) => point === other.points[index]) &&
      damaged.length === other.damaged.length &&
      damaged.every(({ file }, index) => file === other.damaged[index]?.file)
    );
  }

  #daysIn(timezone = 'UTC'): readonly string[] {
    const known = this.#days.get(timezone);
    if (known !== undefined) return known;
    const days = daysOf(
      this.points.map((point) => point.createdAt),
      timezone,
    );
    if (this.#days.size >= maxTimezones) this.#days.clear();
    this.#days.set(timezone, days);
    return days;
  }
}

/** Lists repositories. What was converted before is kept as long as the repository keeps the restore point itself. */
export class RestorePointReader {
  readonly #log: Logger;
  readonly #converted = new WeakMap<
    StoredRestorePoint,
    { readonly info: RestorePointInfo; readonly pin: RestorePointPin | undefined }
  >();
  readonly #owners = new WeakMap<RestorePointInfo, OwnerId>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Throws what listing throws. */
  async list(name: string, repository: Repository, signal: AbortSignal): Promise<RestorePointListing> {
    const begin = performance.now();
    const { points, damaged } = await repository.listRestorePoints(signal);
    const pins = await repository.pins(signal);
    const infos = points.map((point) => this.#info(point, name, pins.get(point.id)));
    const seconds = (performance.now() - begin) / 1000;
    if (seconds > 2)
      this.#log.log('debug', `Listed ${points.length} restore points of ${name} in ${seconds.toFixed(1)} s`);
    return new RestorePointListing(
      name,
      infos,
      damaged.map(({ file, error }) => ({ repository: name, file, error: TidemarkError.from(error).report() })),
      (info) => this.#owners.get(info),
    );
  }

  #info(point: StoredRestorePoint, name: string, pin: RestorePointPin | undefined): RestorePointInfo {
    const known = this.#converted.get(point);
    if (known?.info.repository === name && samePin(known.pin, pin)) return known.info;
    const info = restorePointInfo(point, name, pin);
    this.#converted.set(point, { info, pin });
    this.#owners.set(info, point.owner);
    return info;
  }
}

function samePin(a: RestorePointPin | undefined, b: RestorePointPin | undefined): boolean {
  return a?.by === b?.by && a?.at === b?.at && a?.note === b?.note;
}

/** By VM id, in the order given. */
function groupByVm(points: readonly RestorePointInfo[]): ReadonlyMap<string, readonly RestorePointInfo[]> {
  const groups = new Map<string, RestorePointInfo[]>();
  for (const point of points) {
    const group = groups.get(point.vmId);
    if (group === undefined) groups.set(point.vmId, [point]);
    else group.push(point);
  }
  return groups;
}

/** What is backed up of each VM, by its id. */
export function backupsByVm(listings: readonly RestorePointListing[]): ReadonlyMap<string, VmBackups> {
  const all = listings.flatMap((listing) => listing.points).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const result = new Map<string, VmBackups>();
  for (const [vm, points] of groupByVm(all)) {
    const [oldest, last] = [points[0], points.at(-1)];
    if (oldest === undefined || last === undefined) continue;
    const fullAt = points.findLastIndex((point) => point.type === 'full');
    const full = points[fullAt];
    result.set(vm, {
      restorePoints: points.length,
      last: { id: last.id, createdAt: last.createdAt, repository: last.repository, type: last.type },
      oldestAt: oldest.createdAt,
      ...(full === undefined ? {} : { lastFull: { id: full.id, createdAt: full.createdAt } }),
      incrementalsSinceFull: points.length - 1 - fullAt,
    });
  }
  return result;
}
