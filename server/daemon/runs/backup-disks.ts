/** Steps 4 to 6 of a backup: which chunks of each disk to read, reading them into packs, and the block maps that name them. */
import { failpoint } from '../../base/failpoint.ts';
import { matchesGlob } from '../../base/glob.ts';
import * as agent from '../../protocol/agent.ts';
import type { BackupRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, TrackingId } from '../../protocol/ids.ts';
import type { Checkpoint, FrozenDisk, FullReason, RestorePointDisk } from '../../protocol/model.ts';
import { defaultChunkBytes } from '../../repository/index.ts';
import type {
  BlockMap,
  Repository,
  StoredDisk,
  StoredMap,
  StoredRestorePoint,
  WriteSession,
} from '../../repository/index.ts';
import { ChunkSet } from '../transfer/chunk-set.ts';
import { transferDisks } from '../transfer/export-pool.ts';
import { TransferDisk } from '../transfer/transfer-disk.ts';
import type { OpenedExport } from './backup-host.ts';
import { contradiction } from './check-agent.ts';
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

/** The ids of the checkpoint's disks that the request leaves out. Throws `TM1001` when that are all of them. */
export function excludedDisks(request: Pick<BackupRequest, 'excludeDisks'>, checkpoint: Checkpoint): DiskId[] {
  const excluded = checkpoint.disks.filter((disk) =>
    request.excludeDisks.some((pattern) => matchesGlob(pattern, disk.name)),
  );
  if (excluded.length > 0 && excluded.length === checkpoint.disks.length) {
    throw new TidemarkError(
      errorCodes.invalidInput,
      'Every disk of the VM is excluded, so nothing would be backed up.',
      {
        hint: `Its disks are: ${checkpoint.disks.map((disk) => disk.name).join(', ')}.`,
      },
    );
  }
  return excluded.map((disk) => disk.id);
}

interface PlannedDisk {
  readonly disk: FrozenDisk;
  readonly kind: RestorePointDisk['kind'];
  readonly base: BlockMap | undefined;
  readonly transfer: TransferDisk;
}

/** Reads and stores all disks of the export. When it resolves, their chunks are in durable packs; their maps wait for the session's `flush`. */
export async function storeDisks(options: StoreDisksOptions): Promise<readonly StoredDisk[]> {
  const { context, opened } = options;
  const planned: PlannedDisk[] = [];
  for (const disk of opened.disks) planned.push(await planTransfer(disk, options));
  failpoint('backup.4-extents');
  context.setDisks(planned.map(({ transfer }) => ({ name: transfer.name, totalBytes: transfer.totalBytes })));
  context.phase('transfer');

  // Data and maps are written side by side; whichever fails first stops the other and is what went wrong.
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;
  const guarded = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      failure ??= { error };
      stop.abort(TidemarkError.from(error));
      return undefined;
    }
  };
  const maps = planned.map(async (one) => guarded(saveMap(one, options.session, signal)));
  await guarded(transferAll(planned, options, signal));
  const saved = await Promise.all(maps);
  if (failure !== undefined) throw failure.error;
  return planned.map((one, index) => storedDisk(one, saved[index]));
}

async function saveMap(
  { disk, base, transfer: { chunks, changes } }: PlannedDisk,
  session: WriteSession,
  signal: AbortSignal,
): Promise<StoredMap> {
  return session.saveMap(base, { sizeBytes: disk.sizeBytes, chunkBytes: chunks.chunkBytes }, changes, signal);
}

async function transferAll(
  planned: readonly PlannedDisk[],
  { request, context, located, opened, repository, session }: StoreDisksOptions,
  signal: AbortSignal,
): Promise<void> {
  await transferDisks({
    worker: {
      access: located.connection.data,
      exportId: opened.exportId,
      repositoryId: repository.id,
      keys: repository.exportKeys(),
      location: repository.location,
      writer: session.writer,
    },
    threads: request.threads ?? located.host.threads,
    bandwidth: request.bandwidth,
    disks: planned.map((one) => one.transfer),
    session,
    signal,
    onAdvance: (disk, bytes) => {
      context.advance(disk.name, bytes);
      failpoint('backup.5-streaming');
    },
    log: (text) => context.log('info', text),
  });
}

function storedDisk({ disk, kind, transfer: done }: PlannedDisk, map: StoredMap | undefined): StoredDisk {
  if (map === undefined) throw new TidemarkError(errorCodes.internal, `Disk ${disk.name} has no block map.`);
  const { readBytes, newBytes, storedBytes, totalBytes } = done;
  if (readBytes !== totalBytes) {
    throw new TidemarkError(errorCodes.internal, `Of disk ${disk.name} ${readBytes} of ${totalBytes} bytes were read.`);
  }
  return {
    id: disk.id,
    name: disk.name,
    sizeBytes: disk.sizeBytes,
    logicalSectorBytes: disk.logicalSectorBytes,
    physicalSectorBytes: disk.physicalSectorBytes,
    chunkBytes: done.chunks.chunkBytes,
    kind,
    stats: { readBytes, newBytes, storedBytes, dataBytes: map.dataBytes },
    map,
  };
}

async function planTransfer(disk: FrozenDisk, options: StoreDisksOptions): Promise<PlannedDisk> {
  const plan = planDisk(disk, options.base);
  let reason: FullReason;
  if (plan.type === 'full') reason = plan.reason;
  else {
    const chunks = new ChunkSet(disk.sizeBytes, plan.base.chunkBytes);
    const base = options.repository.openMap(plan.base);
    try {
      await collectExtents(chunks, disk, plan.since, options);
      await addLostChunks(chunks, disk, base, options);
      return { disk, kind: { type: 'incremental' }, base, transfer: new TransferDisk(disk.id, disk.name, chunks) };
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.trackingUnknown)) reason = 'tracking-unknown';
      else if (isDamage(error)) reason = 'base-missing';
      else throw error;
      options.context.log('warning', `Disk ${disk.name} cannot be read incrementally.`, error);
    }
  }
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

/** What verification found damaged in the base is read again: an incremental must not inherit a hole. */
async function addLostChunks(
  chunks: ChunkSet,
  disk: FrozenDisk,
  base: BlockMap,
  { context, signal }: StoreDisksOptions,
): Promise<void> {
  let lost = 0;
  for await (const chunk of base.lostChunks(signal)) {
    chunks.addExtent(chunk * chunks.chunkBytes, 1);
    lost += 1;
  }
  if (lost > 0) context.log('warning', `Disk ${disk.name}: ${lost} chunks of the base are damaged and are read again.`);
}

function isDamage(error: unknown): boolean {
  const { blobMissing, blobCorrupt, restorePointCorrupt } = errorCodes;
  return [blobMissing, blobCorrupt, restorePointCorrupt].some((code) => TidemarkError.is(error, code));
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
    if (page.extents.length % 2 !== 0) throw contradiction(`reported half an extent of disk ${disk.name}`);
    for (let index = 0; index + 1 < page.extents.length; index += 2) {
      chunks.addExtent(page.extents[index] ?? 0, page.extents[index + 1] ?? 0);
    }
    if (page.nextOffset === undefined) return;
    if (page.nextOffset <= offset || page.nextOffset > disk.sizeBytes) {
      throw contradiction(`reported extents of disk ${disk.name} that do not advance or go past its end`);
    }
    offset = page.nextOffset;
  }
}
