/** The restore points that a policy made, as plans and previews show them. */
import { throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { OwnerId, RestorePointId } from '../../protocol/ids.ts';
import type { RestorePointInfo } from '../../protocol/model.ts';
import type { RepositoryRegistry } from '../repositories.ts';
import type { RestorePoints } from '../restore-points.ts';
import { ownSeries } from './retention.ts';
import { isKnownDamaged } from '../runs/restore-point-health.ts';

/** What there is. */
export interface PolicyPoints {
  readonly points: readonly RestorePointInfo[];
  /** Those that a verification found damaged. */
  readonly damaged: ReadonlySet<RestorePointId>;
  /** They could not be read; a warning says why. */
  readonly unknown?: boolean;
  /** What is to be known, for people. */
  readonly warnings: readonly string[];
}

/** Where restore points are read. */
export interface PointSources {
  readonly restorePoints: Pick<RestorePoints, 'listing'>;
  readonly repositories: Pick<RepositoryRegistry, 'open'>;
  /** This daemon. */
  readonly owner: OwnerId;
}

/** Unreadable files that a warning names. */
const namedFiles = 3;

/** The restore points of a policy in a repository. Throws `TM5203`, and what opening and listing throw. */
export async function policyPoints(
  policy: string,
  repository: string,
  { restorePoints, repositories, owner }: PointSources,
  signal: AbortSignal,
): Promise<PolicyPoints> {
  const listing = await restorePoints.listing(repository, signal);
  const made = listing.madeFor(policy);
  const own = ownSeries(made, owner);
  const opened = await repositories.open(repository, signal);
  const damaged = new Set<RestorePointId>();
  if (opened.hasKnownDamage) {
    const wanted = new Set(own.map(({ id }) => id));
    for (const point of (await opened.listRestorePoints(signal)).points) {
      if (wanted.has(point.id) && (await isKnownDamaged(point, opened, signal))) damaged.add(point.id);
    }
  }
  return {
    points: own,
    damaged,
    warnings: [...foreignWarning(policy, made.length - own.length), ...unreadableWarning(repository, listing.damaged)],
  };
}

/** As `policyPoints`; that a repository cannot be read is a warning. */
export async function policyPointsOrWarning(
  policy: string,
  repository: string,
  sources: PointSources,
  signal: AbortSignal,
): Promise<PolicyPoints> {
  try {
    return await policyPoints(policy, repository, sources, signal);
  } catch (error) {
    throwIfAborted(signal);
    const { message } = TidemarkError.from(error);
    const warning = `What the retention would do is not known, since the restore points cannot be read: ${message}`;
    return { points: [], damaged: new Set(), unknown: true, warnings: [warning] };
  }
}

function foreignWarning(policy: string, count: number): readonly string[] {
  if (count === 0) return [];
  return [`${count} restore points of another daemon's policy ${policy} are in the repository too and are left alone.`];
}

function unreadableWarning(repository: string, unreadable: readonly { readonly file: string }[]): readonly string[] {
  if (unreadable.length === 0) return [];
  const names = unreadable.slice(0, namedFiles).map(({ file }) => file);
  const more = unreadable.length > names.length ? ` and ${unreadable.length - names.length} more` : '';
  return [
    `Restore points of repository ${repository} cannot be read and are left alone: ${names.join(', ')}${more}. Verify the repository.`,
  ];
}
