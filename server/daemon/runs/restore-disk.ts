/** Restores one disk of a restore point to a file on the daemon's machine: complete and checked, or not there. */
import { failpoint } from '../../base/failpoint.ts';
import type { RestoreDiskRequest, RunOutcome } from '../../protocol/daemon.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { Repository, StoredDisk } from '../../repository/index.ts';
import { planVhdx } from '../../vhdx/index.ts';
import type { RestoreTarget } from '../transfer/restore-messages.ts';
import { checkTarget, completePartial, createPartial, partialPath } from '../transfer/target-file.ts';
import type { FilePiece } from '../transfer/target-file.ts';
import type { RunContext, RunServices } from './context.ts';
import { findDisk, findRestorePoint } from './find-restore-point.ts';
import { restoreMap } from './restore-map.ts';

/** Restores to a VHDX or raw file. A partial file that a failure leaves is removed before the run's end is told. */
export async function executeRestoreDisk(
  request: RestoreDiskRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  const { signal } = context;
  context.phase('connecting');
  const { repository, point } = await findRestorePoint(request, context, services);
  const disk = findDisk(point, request.disk);
  const { target, overwrite } = request;
  context.setTitle(`${point.vmName}/${disk.name} → ${target}`);
  await checkTarget(target, disk.stats.dataBytes, overwrite);
  context.setDisks([{ name: disk.name, totalBytes: disk.stats.dataBytes }]);

  const partial = partialPath(target, context.id);
  const plan = await planFile(request.format, partial, disk, repository, signal);
  await context.journal({ type: 'partial-file', path: partial });
  await createPartial(partial, plan.fileBytes, plan.first);
  failpoint('restore.1-partial-created');
  context.phase('reading');
  await restoreMap(repository, disk, plan.target, context, signal);
  failpoint('restore.3-written');
  context.phase('committing');
  throwIfAborted(signal);
  await completePartial(partial, target, plan.last, overwrite);
  failpoint('restore.4-complete');
  await context.journal({ type: 'file-complete', path: partial });
  return { kind: 'restore-disk', target, dataBytes: disk.stats.dataBytes, sizeBytes: disk.sizeBytes };
}

/** How a target file is laid out: what is written first, where chunks go, what is written last. */
interface FilePlan {
  readonly fileBytes: number;
  readonly first: readonly FilePiece[];
  readonly last: readonly FilePiece[];
  readonly target: RestoreTarget;
}

async function planFile(
  format: RestoreDiskRequest['format'],
  path: string,
  disk: StoredDisk,
  repository: Repository,
  signal: AbortSignal,
): Promise<FilePlan> {
  if (format === 'raw') {
    return { fileBytes: disk.sizeBytes, first: [], last: [], target: { type: 'raw', path } };
  }
  const used = await repository.openMap(disk).usedChunks(signal);
  const plan = planVhdx({
    sizeBytes: disk.sizeBytes,
    logicalSectorBytes: disk.logicalSectorBytes,
    physicalSectorBytes: disk.physicalSectorBytes,
    diskId: disk.id,
    hasData: (offset, length) => anyUsed(used, disk.chunkBytes, offset, length),
  });
  const blocks = Math.ceil(disk.sizeBytes / plan.blockBytes);
  const blockOffsets = new Float64Array(new SharedArrayBuffer(blocks * Float64Array.BYTES_PER_ELEMENT));
  for (let block = 0; block < blocks; block++) blockOffsets[block] = plan.fileOffset(block * plan.blockBytes) ?? -1;
  return {
    fileBytes: plan.fileBytes,
    first: plan.regions,
    last: plan.header,
    target: { type: 'vhdx', path, blockBytes: plan.blockBytes, blockOffsets },
  };
}

/** Whether any chunk in the range (bytes of the disk) is used; `used` has one bit a chunk. */
function anyUsed(used: Uint8Array, chunkBytes: number, offset: number, length: number): boolean {
  const last = Math.ceil((offset + length) / chunkBytes);
  for (let chunk = Math.floor(offset / chunkBytes); chunk < last; chunk++) {
    if (((used[chunk >>> 3] ?? 0) & (1 << (chunk & 7))) !== 0) return true;
  }
  return false;
}
