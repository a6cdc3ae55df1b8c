/** What both kinds of restore share: the chunks of one disk, read pack by pack, checked, and written to a target. */
import type { Repository, StoredDisk } from '../../repository/index.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { RestoreTarget } from '../transfer/restore-messages.ts';
import { restoreChunks } from '../transfer/restore-pool.ts';
import type { RunContext } from './context.ts';

/** Writes all chunks of a disk that are not zeros. Resolves when the target has them; throws the first failure, or the cancellation. */
export async function restoreMap(
  repository: Repository,
  disk: StoredDisk,
  target: RestoreTarget,
  context: RunContext,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunks of repository.openMap(disk).locatedChunks(signal)) {
    await restoreChunks({
      worker: { repositoryId: repository.id, keys: repository.exportKeys(), location: repository.location, target },
      chunks,
      chunkBytes: disk.chunkBytes,
      signal,
      onAdvance: (bytes) => {
        context.advance(disk.name, bytes);
        failpoint('restore.2-writing');
      },
      log: (text) => context.log('error', text),
    });
  }
}
