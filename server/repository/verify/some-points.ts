/** Verification of some restore points: what they need is there, and with `readData` is whole. The rest of the repository is left alone. */
import { forEachLimited } from '../../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import type { RepositoryCore } from '../core.ts';
import type { StoredRestorePoint } from '../model.ts';
import { PointStore, restorePointFile, unknownPoint } from '../point-store.ts';
import { FileSealer } from '../sealed-file.ts';
import type { Findings } from './findings.ts';

const readsAtATime = 16;

/**
 * The named restore points, read anew from their files; one whose file is damaged becomes a problem. Throws `TM4011` for an id
 * that the repository does not have.
 */
export async function checkSomePoints(
  core: RepositoryCore,
  ids: readonly RestorePointId[],
  findings: Findings,
  signal: AbortSignal,
): Promise<readonly StoredRestorePoint[]> {
  findings.setPoints([...new Set(ids)]);
  const files = await filesOf(core, new Set(ids), signal);
  const store = new PointStore(core.backend, new FileSealer(core.keys, core.id));
  const points: StoredRestorePoint[] = [];
  await forEachLimited([...new Set(ids)], readsAtATime, async (id) => {
    const file = files.get(id);
    if (file === undefined) throw unknownPoint(id);
    try {
      points.push(await store.readFile(file, signal));
    } catch (error) {
      throwIfAborted(signal);
      if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) throw unknownPoint(id);
      findings.add(file, error, [id]);
    }
  });
  return points.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** For each restore point the one of `ids` that is of the same VM, the newest when there are several. */
export async function pointsAlreadyRead(
  core: RepositoryCore,
  ids: ReadonlySet<RestorePointId>,
  signal: AbortSignal,
): Promise<(point: StoredRestorePoint) => StoredRestorePoint | undefined> {
  if (ids.size === 0) return () => undefined;
  const { points } = await core.listRestorePoints(signal);
  // Oldest first, so that the newest stays.
  const byVm = new Map(points.filter(({ id }) => ids.has(id)).map((point) => [point.vmId, point]));
  return (point) => byVm.get(point.vmId);
}

async function filesOf(
  core: RepositoryCore,
  ids: ReadonlySet<RestorePointId>,
  signal: AbortSignal,
): Promise<ReadonlyMap<RestorePointId, string>> {
  const files = new Map<RestorePointId, string>();
  for await (const { name } of core.backend.list('points', signal)) {
    const id = restorePointFile(name);
    if (id !== undefined && ids.has(id)) files.set(id, name);
  }
  return files;
}
