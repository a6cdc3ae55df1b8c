/** Whether the data of a restore point is there. */
import { formatBytes } from '../../base/format.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { Repository, StoredRestorePoint } from '../../repository/index.ts';
import type { RunContext } from './context.ts';

/**
 * Whether every chunk of the restore point is in a pack that is not known to be damaged, as far as the index tells. Reads its block maps.
 * Why not is a warning.
 */
export async function isWhole(
  point: StoredRestorePoint,
  repository: Repository,
  context: Pick<RunContext, 'signal' | 'log' | 'warn'>,
): Promise<boolean> {
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
    if (!TidemarkError.is(error) || !meansDamage(error)) throw error;
    context.warn(`Restore point ${point.id} of ${point.vmName} is not whole: ${error.message}`);
    return false;
  }
}

/** Whether damage of the restore point is known: nothing is read when no verification found any. */
export async function isKnownDamaged(
  point: StoredRestorePoint,
  repository: Repository,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for (const disk of point.disks) {
      for await (const _ of repository.openMap(disk).lostChunks(signal)) return true;
    }
    return false;
  } catch (error) {
    throwIfAborted(signal);
    if (!TidemarkError.is(error) || !meansDamage(error)) throw error;
    return true;
  }
}

function meansDamage({ code }: TidemarkError): boolean {
  return code === errorCodes.blobMissing || code === errorCodes.blobCorrupt || code === errorCodes.restorePointCorrupt;
}
