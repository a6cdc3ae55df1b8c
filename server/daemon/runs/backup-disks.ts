/** Steps 4 to 6 of a backup: which chunks of each disk to read, reading them into packs, and the block maps that name them. */
import * as agent from '../../protocol/agent.ts';
import type { BackupRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, TrackingId } from '../../protocol/ids.ts';
import type { Checkpoint, FrozenDisk, RestorePointDisk } from '../../protocol/model.ts';
import { defaultChunkBytes } from '../../repository/index.ts';
import type { BlockMap, Repository, StoredDisk, StoredRestorePoint, WriteSession } from '../../repository/index.ts';
import { ChunkSet } from '../transfer/chunk-set.ts';
import { transferDisks } from '../transfer/export-pool.ts';
import { TransferDisk } from '../transfer/transfer-disk.ts';
import type { OpenedExport } from './backup-host.ts';
import { planDisk } from './choose-base.ts';
import type { Base } from './choose-base.ts';
import type { RunContext } from './context.ts';
import type { LocatedVm } from './locate-vm.ts';

/** What storing the disks of a checkpoint needs. */
export interface StoreDisksOptions {
  readonly request: BackupRequest;
  readonly context: RunContext;
  readonly located: LocatedVm;
  readonly opened: OpenedExport;
  readonly base: Base;
  /** The newest restore point of the VM, base or not: its disks say which chunk size to stay with. */
  readonly newest: StoredRestorePoint | undefined;
  readonly repository: Repository;
  readonly session: WriteSession;
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** The ids of the checkpoint's disks that the request leaves out. `*` and `?` are wildcards; case does not count. */
export function excludedDisks(request: Pick<BackupRequest, 'excludeDisks'>, checkpoint: Checkpoint): DiskId[] {
  const patterns = request.excludeDisks.map((glob) => {
    const source = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
    return new RegExp(`^${source}$`, 'i');
  });
  return checkpoint.disks.filter((disk) => patterns.some((pattern) => pattern.test(disk.name))).map((disk) => disk.id);
}

interface PlannedDisk {
  readonly disk: FrozenDisk;
  readonly kind: RestorePointDisk['kind'];
  readonly base: BlockMap | undefined;
  readonly transfer: TransferDisk;
}

/** Reads and stores all disks of the export. When it resolves, their chunks are in durable packs; their maps wait for the session's `flush`. */
export async function storeDisks(options: StoreDisksOptions): Promise<readonly StoredDisk[]> {
  const { context, located, opened, repository, session, signal } = options;
  const planned: PlannedDisk[] = [];
  for (const disk of opened.disks) planned.push(await planTransfer(disk, options));

  context.setDisks(planned.map(({ transfer }) => ({ name: transfer.name, totalBytes: transfer.totalBytes })));
  context.phase('transfer');
  const maps = planned.map(async ({ disk, base, transfer }) => {
    const geometry = { sizeBytes: disk.sizeBytes, chunkBytes: transfer.chunks.chunkBytes };
    return session.saveMap(base, geometry, transfer.changes, signal);
  });
  const [transferred, ...saved] = await Promise.allSettled([
    transferDisks({
      worker: {
        access: located.connection.data,
        exportId: opened.exportId,
        repositoryId: repository.id,
        keys: repository.exportKeys(),
        location: repository.location,
      },
      threads: located.host.threads,
      disks: planned.map(({ transfer }) => transfer),
      session,
      signal,
      onAdvance: (disk, bytes) => context.advance(disk.name, bytes),
      log: (text) => context.log('info', text),
    }),
    ...maps,
  ]);
  if (transferred.status === 'rejected') throw transferred.reason;
  return planned.map(({ disk, kind, transfer }, index) => {
    const map = saved[index];
    if (map === undefined) throw new TidemarkError(errorCodes.internal, `Disk ${disk.name} has no block map.`);
    if (map.status === 'rejected') throw map.reason;
    const { readBytes, newBytes, storedBytes } = transfer;
    return {
      id: disk.id,
      name: disk.name,
      sizeBytes: disk.sizeBytes,
      logicalSectorBytes: disk.logicalSectorBytes,
      physicalSectorBytes: disk.physicalSectorBytes,
      chunkBytes: transfer.chunks.chunkBytes,
      kind,
      ...(disk.trackingId === undefined ? {} : { trackingId: disk.trackingId }),
      stats: { readBytes, newBytes, storedBytes, dataBytes: map.value.dataBytes },
      map: map.value,
    };
  });
}

async function planTransfer(disk: FrozenDisk, options: StoreDisksOptions): Promise<PlannedDisk> {
  const plan = planDisk(disk, options.base);
  if (plan.type === 'incremental') {
    const chunks = new ChunkSet(disk.sizeBytes, plan.base.chunkBytes);
    try {
      await collectExtents(chunks, disk, plan.since, options);
      return {
        disk,
        kind: { type: 'incremental' },
        base: options.repository.openMap(plan.base),
        transfer: new TransferDisk(disk.id, disk.name, chunks),
      };
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.trackingUnknown)) throw error;
      options.context.log('warning', `Change tracking of disk ${disk.name} has no answer.`, error);
    }
  }
  const reason = plan.type === 'full' ? plan.reason : 'tracking-unknown';
  if (options.base.type === 'restore-point') {
    options.warn(`Disk ${disk.name} was read in full (${reason}); an incremental was not possible.`);
  }
  const chunks = new ChunkSet(disk.sizeBytes, fullChunkBytes(disk, options));
  await collectExtents(chunks, disk, undefined, options);
  return {
    disk,
    kind: { type: 'full', reason },
    base: undefined,
    transfer: new TransferDisk(disk.id, disk.name, chunks),
  };
}

/** A disk keeps its chunk size from run to run, since only chunks of one size are found again; a full may change it on request. */
function fullChunkBytes(disk: FrozenDisk, { request, newest }: StoreDisksOptions): number {
  const before = newest?.disks.find((candidate) => candidate.id === disk.id);
  return request.chunkBytes ?? before?.chunkBytes ?? defaultChunkBytes(disk.sizeBytes);
}

async function collectExtents(
  chunks: ChunkSet,
  disk: FrozenDisk,
  since: TrackingId | undefined,
  { located, opened, signal }: StoreDisksOptions,
): Promise<void> {
  let offset = 0;
  for (;;) {
    const page = await located.connection.request(
      agent.listExtents,
      { exportId: opened.exportId, diskId: disk.id, ...(since === undefined ? {} : { since }), offset },
      { signal },
    );
    for (let index = 0; index + 1 < page.extents.length; index += 2) {
      chunks.addExtent(page.extents[index] ?? 0, page.extents[index + 1] ?? 0);
    }
    if (page.nextOffset === undefined) return;
    if (page.nextOffset <= offset) {
      throw new TidemarkError(errorCodes.agentProtocolViolation, `The extents of disk ${disk.name} do not advance.`, {
        hint: 'Check that agent and daemon have the same version, then run the backup again.',
      });
    }
    offset = page.nextOffset;
  }
}
