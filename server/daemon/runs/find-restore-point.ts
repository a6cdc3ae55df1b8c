/** Finds a restore point, and a disk in it, for the runs that read them. */
import type { RestorePointId } from '../../protocol/ids.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { Repository, StoredDisk, StoredRestorePoint } from '../../repository/index.ts';
import type { RunContext, RunServices } from './context.ts';

/** A restore point and the repository that holds it. */
export interface FoundRestorePoint {
  readonly name: string;
  readonly repository: Repository;
  readonly point: StoredRestorePoint;
}

/** Looks in the named repository, or in all of them. Throws `TM4011` when none has it; a repository that cannot be opened is named in the log. */
export async function findRestorePoint(
  wanted: { readonly repository?: string | undefined; readonly restorePoint: RestorePointId },
  context: Pick<RunContext, 'signal' | 'log'>,
  services: Pick<RunServices, 'repositories'>,
): Promise<FoundRestorePoint> {
  if (wanted.repository !== undefined) {
    const repository = await services.repositories.open(wanted.repository, context.signal);
    const point = await repository.readRestorePoint(wanted.restorePoint, context.signal);
    return { name: wanted.repository, repository, point };
  }
  const closed: string[] = [];
  for (const name of services.repositories.names()) {
    try {
      const repository = await services.repositories.open(name, context.signal);
      return { name, repository, point: await repository.readRestorePoint(wanted.restorePoint, context.signal) };
    } catch (error) {
      if (context.signal.aborted || TidemarkError.is(error, errorCodes.restorePointCorrupt)) throw error;
      if (TidemarkError.is(error, errorCodes.restorePointNotFound)) continue;
      closed.push(name);
      context.log('warning', `Repository ${name} was not searched: ${TidemarkError.from(error).message}`, error);
    }
  }
  const unread = closed.length === 0 ? '' : ` Not searched: ${closed.join(', ')}.`;
  throw new TidemarkError(
    errorCodes.restorePointNotFound,
    `There is no restore point ${wanted.restorePoint}.${unread}`,
    {
      hint: '`tidemark restore-point list` shows all restore points.',
    },
  );
}

/** A disk of a restore point by name or id. Throws `TM2102`. */
export function findDisk(point: StoredRestorePoint, nameOrId: string): StoredDisk {
  const wanted = nameOrId.toUpperCase();
  const disk = point.disks.find((candidate) => candidate.id === wanted || candidate.name.toUpperCase() === wanted);
  if (disk !== undefined) return disk;
  const names = point.disks.map((candidate) => candidate.name).join(', ');
  throw new TidemarkError(errorCodes.diskNotFound, `Restore point ${point.id} has no disk ${nameOrId}.`, {
    hint: `Its disks are: ${names}.`,
  });
}
