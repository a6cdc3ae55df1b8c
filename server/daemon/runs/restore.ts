/** Restore runs: one disk to a file, or a whole VM to a host. What is restored is complete and checked, or not there. */
import * as agent from '../../protocol/agent.ts';
import type { RestoreDiskRequest, RestoreVmRequest, RunOutcome } from '../../protocol/daemon.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import { vmConfiguration } from '../../protocol/model.ts';
import { json } from '../../protocol/parse.ts';
import { planVhdx } from '../../vhdx/index.ts';
import type { BlockMap, Repository, StoredDisk } from '../../repository/index.ts';
import { restoreChunks } from '../transfer/restore-pool.ts';
import type { RestoreTarget } from '../transfer/restore-messages.ts';
import {
  checkTarget,
  completePartial,
  createPartial,
  partialPath,
  removePartial,
} from '../transfer/target-file.ts';
import type { FilePiece } from '../transfer/target-file.ts';
import type { RunContext, RunServices } from './context.ts';
import { findDisk, findRestorePoint } from './find-restore-point.ts';

const cleanUpTimeoutMs = 60_000;

/** Restores one disk of a restore point to a VHDX or raw file on the daemon's machine. */
export async function executeRestoreDisk(
  request: RestoreDiskRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  context.phase('connecting');
  const { repository, point } = await findRestorePoint(request, context, services);
  const disk = findDisk(point, request.disk);
  const { target, overwrite } = request;
  await checkTarget(target, disk.stats.dataBytes, overwrite);
  context.setDisks([{ name: disk.name, totalBytes: disk.stats.dataBytes }]);

  const map = repository.openMap(disk);
  const partial = partialPath(target, context.id);
  const plan = await planFile(request.format, partial, disk, map, context.signal);
  await context.journal({ type: 'partial-file', path: partial });
  try {
    await createPartial(partial, plan.fileBytes, plan.first);
    context.phase('reading');
    await restoreMap(repository, disk, map, plan.target, context);
    context.phase('committing');
    throwIfAborted(context.signal);
    await completePartial(partial, target, plan.last, overwrite);
  } catch (error) {
    await removePartial(partial);
    throw error;
  } finally {
    await context.journal({ type: 'file-complete', path: partial });
  }
  return { kind: 'restore-disk', target, dataBytes: disk.stats.dataBytes, sizeBytes: disk.sizeBytes };
}

/** Restores a VM to a host: disks first, then the host registers it. Nothing is visible there before that. */
export async function executeRestoreVm(
  request: RestoreVmRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  context.phase('connecting');
  const { repository, point } = await findRestorePoint(request, context, services);
  const host = services.hosts.get(request.host);
  const connection = await host.connect(context.signal);
  const signal = AbortSignal.any([context.signal, connection.closed]);
  const bytes = await repository.readBlob(point.configuration, signal);
  const configuration = json(Buffer.from(bytes).toString('utf8'), vmConfiguration, 'The stored VM configuration');
  const name = request.name ?? point.vmName;
  context.setDisks(point.disks.map((disk) => ({ name: disk.name, totalBytes: disk.stats.dataBytes })));
  const { sessionId } = await connection.request(
    agent.beginRestore,
    { name, configuration, connectNetwork: request.connectNetwork, disks: point.disks.map(diskShape) },
    { signal },
  );
  try {
    context.phase('transfer');
    for (const disk of point.disks) {
      const target: RestoreTarget = { type: 'agent', access: connection.data, sessionId, diskId: disk.id };
      await restoreMap(repository, disk, repository.openMap(disk), target, context);
    }
    context.phase('committing');
    throwIfAborted(signal);
    const { vmId } = await connection.request(
      agent.commitRestore,
      { sessionId, job: context.id },
      { signal, onJob: (_kind, percent) => context.jobPercent(percent) },
    );
    return { kind: 'restore-vm', host: host.name, vmId, vmName: name };
  } catch (error) {
    context.phase('cleaning-up');
    await connection
      .request(agent.abortRestore, { sessionId }, { signal: AbortSignal.timeout(cleanUpTimeoutMs) })
      .catch((cause: unknown) => context.log('warning', 'The host removes the partial VM at its next start.', cause));
    throw error;
  }
}

function diskShape(disk: StoredDisk): Pick<StoredDisk, 'id' | 'name' | 'sizeBytes' | 'logicalSectorBytes' | 'physicalSectorBytes'> {
  const { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk;
  return { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes };
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
  map: BlockMap,
  signal: AbortSignal,
): Promise<FilePlan> {
  if (format === 'raw') {
    return { fileBytes: disk.sizeBytes, first: [], last: [], target: { type: 'raw', path } };
  }
  const used = await usedRanges(map, disk, signal);
  const plan = planVhdx({
    sizeBytes: disk.sizeBytes,
    logicalSectorBytes: disk.logicalSectorBytes,
    physicalSectorBytes: disk.physicalSectorBytes,
    diskId: disk.id,
    hasData: (block) => used(block),
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

async function restoreMap(
  repository: Repository,
  disk: StoredDisk,
  map: BlockMap,
  target: RestoreTarget,
  context: RunContext,
): Promise<void> {
  for await (const chunks of map.locatedChunks(context.signal)) {
    await restoreChunks({
      worker: { repositoryId: repository.id, keys: repository.exportKeys(), location: repository.location, target },
      chunks,
      chunkBytes: disk.chunkBytes,
      signal: context.signal,
      onAdvance: (bytes) => context.advance(disk.name, bytes),
      log: (text) => context.log('error', text),
    });
  }
}
