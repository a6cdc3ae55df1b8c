/** Prune runs: delete the old restore points of each VM. Their data goes with the next garbage collections. */
import { failpoint } from '../../base/failpoint.ts';
import { formatBytes } from '../../base/format.ts';
import type { PruneRequest, RunOutcome } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { Repository, StoredRestorePoint } from '../../repository/index.ts';
import type { RunContext, RunServices } from './context.ts';

/** What stays of one VM and what goes. */
interface PrunePlan {
  readonly keep: readonly StoredRestorePoint[];
  readonly remove: readonly StoredRestorePoint[];
}

/**
 * Keeps the newest `keepLast` restore points of each VM and, besides them, the newest one whose data is all there: what is kept
 * must be of use. Restore points that cannot be read are left alone.
 */
export async function executePrune(
  request: PruneRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  const { signal } = context;
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, signal);
  context.phase('collecting');
  const { points, damaged } = await repository.listRestorePoints(signal);
  for (const { file, error } of damaged) {
    context.warn(`Restore point file ${file} cannot be read and was left alone: ${TidemarkError.from(error).message}`);
  }
  const plans: PrunePlan[] = [];
  for (const ofVm of groupByVm(points))
    plans.push(await planVm(ofVm, request.keepLast ?? ofVm.length, repository, context));
  const remove = plans.flatMap((plan) => plan.remove);
  const removed: StoredRestorePoint['id'][] = [];
  for (const point of remove) {
    throwIfAborted(signal);
    if (!request.dryRun) await deletePoint(repository, point, signal);
    removed.push(point.id);
    const what = `restore point ${point.id} of ${point.vmName}, ${point.createdAt}`;
    context.log('info', request.dryRun ? `Would delete ${what}.` : `Deleted ${what}.`);
    failpoint('prune.deleted');
  }
  const kept = plans.flatMap((plan) => plan.keep.map((point) => point.id));
  return { kind: 'prune', kept, removed, dryRun: request.dryRun };
}

/** The restore points of each VM, newest first. */
function groupByVm(points: readonly StoredRestorePoint[]): Iterable<readonly StoredRestorePoint[]> {
  const groups = Map.groupBy(
    points.toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    (point) => point.vmId,
  );
  return groups.values();
}

async function planVm(
  newestFirst: readonly StoredRestorePoint[],
  keepLast: number,
  repository: Repository,
  context: RunContext,
): Promise<PrunePlan> {
  const keep = newestFirst.slice(0, keepLast);
  const older = newestFirst.slice(keepLast);
  if (older.length === 0) return { keep, remove: [] };
  for (const point of newestFirst) {
    if (!(await isWhole(point, repository, context))) continue;
    const remove = older.filter((old) => old !== point);
    return { keep: newestFirst.filter((old) => !remove.includes(old)), remove: remove.toReversed() };
  }
  context.warn(
    `No restore point of ${newestFirst[0]?.vmName ?? 'a VM'} is whole, so none was deleted. Verify the repository.`,
  );
  return { keep: newestFirst, remove: [] };
}

/** Whether every chunk of the restore point is in a pack that is not known to be damaged, as far as the index tells. */
async function isWhole(point: StoredRestorePoint, repository: Repository, context: RunContext): Promise<boolean> {
  try {
    let bytes = 0;
    await repository.readBlob(point.configuration, context.signal);
    for (const disk of point.disks) {
      const map = repository.openMap(disk);
      for await (const lost of map.lostChunks(context.signal)) {
        throw new TidemarkError(errorCodes.blobMissing, `Chunk ${lost} of disk ${disk.name} is damaged.`);
      }
      for await (const batch of map.locatedChunks(context.signal)) {
        throwIfAborted(context.signal);
        // Asking where a chunk lies is what throws when it lies nowhere.
        for (const { location } of batch) bytes += location.rawBytes;
      }
    }
    context.log('debug', `Restore point ${point.id} of ${point.vmName} is whole: ${formatBytes(bytes)} of data.`);
    return true;
  } catch (error) {
    throwIfAborted(context.signal);
    if (!TidemarkError.is(error, errorCodes.blobMissing) && !TidemarkError.is(error, errorCodes.blobCorrupt))
      throw error;
    context.warn(`Restore point ${point.id} of ${point.vmName} is not whole: ${error.message}`);
    return false;
  }
}

async function deletePoint(repository: Repository, point: StoredRestorePoint, signal: AbortSignal): Promise<void> {
  try {
    await repository.deleteRestorePoint(point.id, signal);
  } catch (error) {
    // Somebody else was faster.
    if (!TidemarkError.is(error, errorCodes.restorePointNotFound)) throw error;
  }
}
