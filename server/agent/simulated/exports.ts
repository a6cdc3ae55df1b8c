/** Exports: the frozen disks of a checkpoint, open for reading until the export is closed. */
import { join } from 'node:path';

import { readJsonFile, writeFileDurably } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { checkpointId, exportId as parseExportId } from '../../protocol/ids.ts';
import type { CheckpointId, DiskId, ExportId, TrackingId, VmId } from '../../protocol/ids.ts';
import type { FrozenDisk } from '../../protocol/model.ts';
import { object } from '../../protocol/parse.ts';
import { exportedDiskReader, exportNotFound } from '../exported-disk.ts';
import type { DiskReader, Extent, ExtentPage, ExtentsRequest, HostExport, JobContext } from '../provider.ts';
import { checkpointNotFound, vmOfCheckpoint } from './checkpoints.ts';
import { canExcludeDisks, toConfiguration } from './describe.ts';
import { copySparse } from './disk-copy.ts';
import { openChain } from './disk-files.ts';
import type { ChainReader } from './disk-files.ts';
import { JobProgress } from './jobs.ts';
import { listStaging, openStaging } from './staging.ts';
import type { Staging } from './staging.ts';
import type { StepHook } from './steps.ts';
import { readHost, withVm } from './store.ts';
import type { LockedVm } from './store.ts';
import type { PagedBitmap } from './tracking/paged-bitmap.ts';

const exportRecord = object({ checkpointId });
const recordFile = 'export.json';

interface OpenDisk {
  readonly frozen: FrozenDisk;
  readonly reader: ChainReader;
  /** What changed since the last tracking id that was asked about; what is sealed never changes. */
  changes: { readonly since: TrackingId; readonly bitmap: PagedBitmap } | undefined;
}

interface OpenExport {
  readonly staging: Staging;
  readonly vmId: VmId;
  readonly checkpointId: CheckpointId;
  readonly disks: ReadonlyMap<DiskId, OpenDisk>;
  closed: boolean;
}

/** The open exports of one provider. */
export class Exports {
  readonly #root: string;
  readonly #jobMs: number;
  readonly #step: StepHook;
  readonly #open = new Map<ExportId, OpenExport>();
  /** Exports that ended with their checkpoint: who opened them may still close them. */
  readonly #ended = new Set<ExportId>();

  constructor(root: string, jobMs: number, step: StepHook) {
    this.#root = root;
    this.#jobMs = jobMs;
    this.#step = step;
  }

  /** Throws `TM2106` for a checkpoint that is not open, `TM2102` for an excluded disk it does not have. */
  async open(checkpoint: CheckpointId, excluded: readonly DiskId[], job: JobContext): Promise<HostExport> {
    const progress = new JobProgress(job, 'export');
    const host = await readHost(this.#root);
    const vmId = await vmOfCheckpoint(this.#root, checkpoint);
    await using undo = new AsyncDisposableStack();
    const staging = await openStaging(this.#root, 'exports', job.signal);
    undo.defer(() => staging.remove());
    await writeFileDurably(join(staging.path, recordFile), JSON.stringify({ checkpointId: checkpoint }));
    this.#step('export:staged');
    const disks = new Map<DiskId, OpenDisk>();
    const warnings: string[] = [];
    // From here, whoever wants to merge the checkpoint sees the record above, or was first and the checkpoint is gone.
    const { configuration, copies } = await withVm(this.#root, vmId, job.signal, async (vm) => {
      const entries = this.#frozen(vm, checkpoint, excluded);
      for (const { disk, frozen } of entries.included) {
        const reader = await openChain(vm.path(frozen));
        undo.defer(() => reader.close());
        disks.set(disk.id, { frozen: disk, reader, changes: undefined });
      }
      return {
        configuration: toConfiguration(vm.document),
        copies: entries.excluded.map(({ disk, frozen }) => ({ disk, path: vm.path(frozen) })),
      };
    });
    if (canExcludeDisks(host) || copies.length === 0) await progress.elapse(this.#jobMs, 90);
    else warnings.push(await copyExcluded(copies, staging.path, progress));
    const id = parseExportId(staging.id, 'exportId');
    this.#open.set(id, { staging, vmId, checkpointId: checkpoint, disks, closed: false });
    undo.move();
    this.#step('export:opened');
    progress.report(100);
    return { id, disks: [...disks.values()].map((disk) => disk.frozen), configuration, warnings };
  }

  #frozen(vm: LockedVm, id: CheckpointId, excluded: readonly DiskId[]) {
    const { checkpoint, name } = vm.document;
    if (checkpoint?.id !== id) throw checkpointNotFound(id);
    for (const diskId of excluded) {
      if (checkpoint.disks.some((entry) => entry.disk.id === diskId)) continue;
      throw new TidemarkError(errorCodes.diskNotFound, `The VM ${name} has no disk ${diskId} that could be excluded.`);
    }
    return {
      included: checkpoint.disks.filter((entry) => !excluded.includes(entry.disk.id)),
      excluded: checkpoint.disks.filter((entry) => excluded.includes(entry.disk.id)),
    };
  }

  /** Throws `TM2111`. */
  async close(id: ExportId): Promise<void> {
    if (this.#ended.delete(id)) return;
    const open = this.#get(id);
    this.#open.delete(id);
    open.closed = true;
    for (const disk of open.disks.values()) await disk.reader.close();
    await open.staging.remove();
  }

  async closeAll(): Promise<void> {
    for (const id of this.#open.keys()) await this.close(id);
  }

  /** Closes this provider's exports of a checkpoint that is about to be merged. Throws `TM2104` when another process reads it. */
  async closeOfCheckpoint(checkpoint: CheckpointId): Promise<void> {
    for (const [id, open] of this.#open) {
      if (open.checkpointId !== checkpoint) continue;
      await this.close(id);
      this.#ended.add(id);
    }
    for (const { path, inUse } of await listStaging(this.#root, 'exports')) {
      if (!inUse) continue;
      const record = await readJsonFile(join(path, recordFile), exportRecord);
      if (record?.checkpointId !== checkpoint) continue;
      throw new TidemarkError(errorCodes.vmBusy, 'The disks of this checkpoint are being read.', {
        hint: 'Another agent serves this host too: let its backup end first.',
      });
    }
  }

  /** Throws `TM2111`, `TM2102`, and `TM2110` when what changed since `since` is not known. */
  async listExtents(request: ExtentsRequest, signal: AbortSignal): Promise<ExtentPage> {
    throwIfAborted(signal);
    const open = this.#get(request.exportId);
    const disk = getDisk(open, request.diskId);
    const { offset, since } = request;
    const maxExtents = Math.max(1, request.maxExtents);
    const extents =
      since === undefined
        ? disk.reader.allocated(offset, signal)
        : (await this.#changes(open, disk, since, signal)).runs(offset);
    return pageOf(extents, offset, disk.frozen.sizeBytes, maxExtents);
  }

  async #changes(open: OpenExport, disk: OpenDisk, since: TrackingId, signal: AbortSignal): Promise<PagedBitmap> {
    if (disk.changes?.since === since) return disk.changes.bitmap;
    const until = disk.frozen.trackingId;
    const bitmap = await withVm(this.#root, open.vmId, signal, async (vm) => {
      const tracker = await vm.tracker(vm.disk(disk.frozen.id));
      return until === undefined ? undefined : tracker?.changes(since, until);
    });
    if (bitmap === undefined) {
      throw new TidemarkError(
        errorCodes.trackingUnknown,
        `The host does not know any more what changed on the disk ${disk.frozen.name} since the last backup.`,
        { hint: 'The disk is read in full this time.' },
      );
    }
    disk.changes = { since, bitmap };
    return bitmap;
  }

  /** A reader of the frozen disk; all readers of a disk share one open file, which the export closes. */
  openDisk(exportId: ExportId, diskId: DiskId): DiskReader {
    const open = this.#get(exportId);
    const { reader, frozen } = getDisk(open, diskId);
    return exportedDiskReader(exportId, {
      sizeBytes: frozen.sizeBytes,
      ended: () => (open.closed ? exportNotFound(exportId) : undefined),
      step: () => this.#step('export:read'),
      read: (target, offset) => reader.read(target, offset),
    });
  }

  #get(id: ExportId): OpenExport {
    const open = this.#open.get(id);
    if (open === undefined) throw exportNotFound(id);
    return open;
  }
}

function getDisk(open: OpenExport, id: DiskId): OpenDisk {
  const disk = open.disks.get(id);
  if (disk !== undefined) return disk;
  throw new TidemarkError(errorCodes.diskNotFound, `The export has no disk ${id}.`);
}

/** The first `maxExtents` of the extents, none past the disk's end. */
async function pageOf(
  extents: Iterable<Extent> | AsyncIterable<Extent>,
  offset: number,
  sizeBytes: number,
  maxExtents: number,
): Promise<ExtentPage> {
  const page: Extent[] = [];
  let covered = offset;
  for await (const extent of extents) {
    if (extent.offset >= sizeBytes) break;
    if (page.length === maxExtents) return { extents: page, nextOffset: covered };
    const length = Math.min(extent.length, sizeBytes - extent.offset);
    page.push({ offset: extent.offset, length });
    covered = extent.offset + length;
  }
  return { extents: page };
}

/** Server 2016 cannot leave disks out: what is not wanted is copied all the same, and dropped when the export closes. */
async function copyExcluded(
  copies: readonly { readonly disk: FrozenDisk; readonly path: string }[],
  directory: string,
  progress: JobProgress,
): Promise<string> {
  let copied = 0;
  for (const [at, { disk, path }] of copies.entries()) {
    const target = join(directory, `${disk.name}.vhdx`);
    const bytes = await copySparse(path, target, progress.signal, (part) =>
      progress.report((99 * (at + part)) / copies.length),
    );
    copied += bytes;
  }
  const names = copies.map(({ disk }) => disk.name).join(', ');
  return `Server 2016 cannot exclude disks from an export: ${names} (${formatBytes(copied)}) was copied on the host and is deleted when the export ends.`;
}
