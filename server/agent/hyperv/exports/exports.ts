/** Exports: the frozen disks of a recovery checkpoint, open for reading until the export is closed. */
import { randomUUID } from 'node:crypto';

import { Mutex } from '../../../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import { exportId as parseExportId } from '../../../protocol/ids.ts';
import type { CheckpointId, DiskId, ExportId, TrackingId } from '../../../protocol/ids.ts';
import type { VirtualDisk } from '../../../vhdx/index.ts';
import { exportedDiskReader, exportNotFound } from '../../exported-disk.ts';
import type { DiskReader, ExtentPage, ExtentsRequest, HostExport, JobContext } from '../../provider.ts';
import { getChangedExtent, getConfiguration } from '../commands/index.ts';
import { gatherConfiguration } from './configuration.ts';
import { exportToDirectory, filesOfChain, recoverDirectoryExports } from './directory-export.ts';
import type { DirectoryExportHost } from './directory-export.ts';
import { allocatedPage, changedPage } from './extents.ts';
import { withFileErrors } from '../failures/file-errors.ts';
import { isHeld, openFrozenDisk } from './frozen-disks.ts';
import type { CheckpointDisk, CheckpointDisks } from './frozen-disks.ts';
import { nameOf } from '../paths.ts';
import { WorkProgress } from '../../work-progress.ts';

/** Percent of the job up to where disks are open; the configuration is the rest. */
const openedPercent = 90;

/** What exports need of the host. */
export interface ExportsOptions extends DirectoryExportHost {
  /** The disks of a checkpoint as Hyper-V describes them now. Throws `TM2106` when there is none of that id. */
  checkpointDisks(checkpoint: CheckpointId, signal: AbortSignal): Promise<CheckpointDisks>;
  /** The names of the files that the checkpoints had frozen of which `since` is the moment on that disk, as far as they are known. */
  readonly filesSince: (disk: DiskId, since: TrackingId) => Promise<readonly string[]>;
  /** Reads copies that Hyper-V makes in a folder, even where the disks could be read directly. Default: only where they cannot. */
  readonly alwaysCopy?: boolean | undefined;
}

interface OpenDisk extends CheckpointDisk {
  readonly disk: VirtualDisk;
  /** Whether `disk` is a copy, whose files say nothing of those of the host. */
  readonly copied: boolean;
  /** The files of the host, the top first, when they were asked for. */
  chain?: readonly string[] | undefined;
}

interface OpenExport {
  readonly checkpointId: CheckpointId;
  readonly disks: ReadonlyMap<DiskId, OpenDisk>;
  /** Closes all files and removes what was copied. */
  release(): Promise<void>;
  closed: boolean;
  /** Why it was closed, when not by whoever opened it. */
  reason?: TidemarkError | undefined;
}

/** Disks that were opened, one way or the other. */
interface Opened {
  readonly disks: ReadonlyMap<DiskId, VirtualDisk>;
  readonly warnings: readonly string[];
  readonly copied: boolean;
  release(): Promise<void>;
}

/** The open exports of one provider. */
export class Exports {
  readonly #options: ExportsOptions;
  readonly #open = new Map<ExportId, OpenExport>();
  /** Exports that ended with their checkpoint: who opened them may still close them. */
  readonly #ended = new Map<ExportId, TidemarkError | undefined>();
  /** Opening and merging exclude each other, checkpoint by checkpoint. */
  readonly #locks = new Map<CheckpointId, { readonly mutex: Mutex; users: number }>();

  constructor(options: ExportsOptions) {
    this.#options = options;
  }

  /** Throws `TM2106` for a checkpoint that is not there, `TM2102` for an excluded disk it does not have, `TM2112` and `TM3xxx` for disks that cannot be read. */
  async open(checkpoint: CheckpointId, excluded: readonly DiskId[], job: JobContext): Promise<HostExport> {
    return this.#locked(checkpoint, async () =>
      withFileErrors(async () => this.#openLocked(checkpoint, excluded, job)),
    );
  }

  async #openLocked(checkpoint: CheckpointId, excluded: readonly DiskId[], job: JobContext): Promise<HostExport> {
    const { signal } = job;
    throwIfAborted(signal);
    const { step, calls } = this.#options;
    const progress = new WorkProgress(job, 'export');
    const found = await this.#options.checkpointDisks(checkpoint, signal);
    const { wanted, unwanted } = split(found, excluded);
    step('export:found');
    await using undo = new AsyncDisposableStack();
    const opened = await this.#openDisks(checkpoint, wanted, unwanted, signal, progress.part(0, openedPercent));
    undo.defer(() => opened.release());
    progress.report(openedPercent);
    const settings = await calls.invoke(getConfiguration, { CheckpointId: checkpoint }, signal);
    const { configuration, warnings } = await gatherConfiguration(settings, found.disks);
    throwIfAborted(signal);
    const id = parseExportId(randomUUID(), 'exportId');
    const disks = new Map<DiskId, OpenDisk>();
    for (const entry of wanted) {
      const disk = opened.disks.get(entry.frozen.id);
      if (disk !== undefined) disks.set(entry.frozen.id, { ...entry, disk, copied: opened.copied });
    }
    this.#open.set(id, { checkpointId: checkpoint, disks, release: () => opened.release(), closed: false });
    undo.move();
    step('export:opened');
    progress.report(100);
    return {
      id,
      disks: wanted.map(({ frozen }) => frozen),
      configuration,
      warnings: [...found.warnings, ...opened.warnings, ...warnings],
    };
  }

  async #openDisks(
    checkpoint: CheckpointId,
    wanted: readonly CheckpointDisk[],
    unwanted: readonly CheckpointDisk[],
    signal: AbortSignal,
    progress: (percent: number) => void,
  ): Promise<Opened> {
    const { alwaysCopy, log } = this.#options;
    let why = 'the agent is set so';
    if (alwaysCopy !== true) {
      try {
        return await openDirectly(wanted, signal);
      } catch (error) {
        if (!isHeld(error)) throw error;
        log.log('warning', 'A frozen disk cannot be opened directly, so Hyper-V copies the disks first.', error);
        why = TidemarkError.from(error).message;
      }
    }
    const request = { checkpointId: checkpoint, disks: wanted, excluded: unwanted };
    const { disks, warnings, remove } = await exportToDirectory(request, this.#options, { signal, progress });
    const copied = `The disks were copied on the host before they were read, which takes time and room there: ${why}`;
    return { disks, warnings: [copied, ...warnings], copied: true, release: remove };
  }

  /** Throws `TM2111`. */
  async close(id: ExportId): Promise<void> {
    if (this.#ended.delete(id)) return;
    const open = this.#get(id);
    this.#open.delete(id);
    open.closed = true;
    await withFileErrors(async () => open.release());
  }

  async closeAll(): Promise<void> {
    for (const id of this.#open.keys()) await this.close(id);
  }

  /** Whether an export of the checkpoint is open. */
  isOpen(checkpoint: CheckpointId): boolean {
    return [...this.#open.values()].some(({ checkpointId }) => checkpointId === checkpoint);
  }

  /** Closes the exports of a checkpoint that is about to be merged: nobody may read files that are not frozen any more. Readers get `reason`. */
  async closeOfCheckpoint(checkpoint: CheckpointId, reason?: TidemarkError): Promise<void> {
    await this.#locked(checkpoint, async () => {
      for (const [id, open] of this.#open) {
        if (open.checkpointId !== checkpoint) continue;
        open.reason = reason;
        await this.close(id);
        this.#ended.set(id, reason);
      }
    });
  }

  /** Removes copies that an agent that died has left. Gives lines for the log. */
  async recover(signal: AbortSignal): Promise<readonly string[]> {
    return recoverDirectoryExports(this.#options, signal);
  }

  /** Throws `TM2111`, `TM2102`, and `TM2110` when what changed since `since` is not known. */
  async listExtents(request: ExtentsRequest, signal: AbortSignal): Promise<ExtentPage> {
    throwIfAborted(signal);
    const entry = getDisk(this.#get(request.exportId), request.diskId);
    const { disk, frozen, attached } = entry;
    const { offset, since } = request;
    const { sizeBytes, logicalSectorBytes: sectorBytes } = frozen;
    if (offset >= sizeBytes) return { extents: [] };
    const maxExtents = Math.max(1, request.maxExtents);
    const page = { offset, maxExtents, sizeBytes, sectorBytes };
    if (since === undefined) return allocatedPage(disk.allocated(offset, signal), page);
    if (!frozen.trackable) throw notTracked(frozen.name);
    await this.#checkHistory(entry, since, signal);
    const answer = await this.#options.calls.invoke(
      getChangedExtent,
      { Path: attached.path, Since: since, Offset: offset, Length: sizeBytes - offset, MaxExtents: maxExtents },
      signal,
    );
    return changedPage(answer, page);
  }

  /** A disk that went back to an earlier state writes to another file from there: what its tracking says since a later moment means nothing. */
  async #checkHistory(entry: OpenDisk, since: TrackingId, signal: AbortSignal): Promise<void> {
    const { calls, filesSince } = this.#options;
    const wanted = await filesSince(entry.frozen.id, since);
    if (wanted.length === 0) return;
    entry.chain ??= entry.copied
      ? await filesOfChain(entry.attached.path, calls, signal)
      : entry.disk.layers.map(({ file }) => file.path);
    const there = new Set(entry.chain?.map((path) => nameOf(path).toLowerCase()));
    if (!wanted.every((name) => there.has(name.toLowerCase()))) throw wentBack(entry.frozen.name);
  }

  /** A reader of the frozen disk; all readers of a disk share its open files, which the export closes. */
  openDisk(exportId: ExportId, diskId: DiskId): DiskReader {
    const open = this.#get(exportId);
    const { disk, frozen } = getDisk(open, diskId);
    return exportedDiskReader(exportId, {
      sizeBytes: frozen.sizeBytes,
      ended: () => (open.closed ? (open.reason ?? exportNotFound(exportId)) : undefined),
      step: () => this.#options.step('export:read'),
      read: (target, offset) => withFileErrors(async () => disk.read(target, offset)),
    });
  }

  #get(id: ExportId): OpenExport {
    const open = this.#open.get(id);
    if (open === undefined) throw this.#ended.get(id) ?? exportNotFound(id);
    return open;
  }

  async #locked<T>(checkpoint: CheckpointId, work: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(checkpoint) ?? { mutex: new Mutex(), users: 0 };
    this.#locks.set(checkpoint, lock);
    lock.users += 1;
    try {
      return await lock.mutex.run(work);
    } finally {
      lock.users -= 1;
      if (lock.users === 0) this.#locks.delete(checkpoint);
    }
  }
}

async function openDirectly(wanted: readonly CheckpointDisk[], signal: AbortSignal): Promise<Opened> {
  await using undo = new AsyncDisposableStack();
  const disks = new Map<DiskId, VirtualDisk>();
  for (const { attached, frozen } of wanted) {
    throwIfAborted(signal);
    const disk = await openFrozenDisk(attached.path, frozen);
    undo.defer(() => disk.close());
    disks.set(frozen.id, disk);
  }
  const opened = undo.move();
  return { disks, warnings: [], copied: false, release: () => opened.disposeAsync() };
}

function split(
  { disks, vmName }: CheckpointDisks,
  excluded: readonly DiskId[],
): { readonly wanted: readonly CheckpointDisk[]; readonly unwanted: readonly CheckpointDisk[] } {
  for (const id of excluded) {
    if (disks.some(({ frozen }) => frozen.id === id)) continue;
    throw new TidemarkError(errorCodes.diskNotFound, `The VM ${vmName} has no disk ${id} that could be excluded.`);
  }
  const ids = disks.map(({ frozen }) => frozen.id);
  const twin = disks.find(({ frozen }, at) => ids.indexOf(frozen.id) !== at);
  if (twin !== undefined) {
    throw new TidemarkError(
      errorCodes.vmNotEligible,
      `Two disks of the VM ${vmName} have the VirtualDiskId ${twin.frozen.id}.`,
      {
        hint: 'Give one a new id with Set-VHD -ResetDiskIdentifier while the VM is off.',
      },
    );
  }
  return {
    wanted: disks.filter(({ frozen }) => !excluded.includes(frozen.id)),
    unwanted: disks.filter(({ frozen }) => excluded.includes(frozen.id)),
  };
}

function getDisk(open: OpenExport, id: DiskId): OpenDisk {
  const disk = open.disks.get(id);
  if (disk !== undefined) return disk;
  throw new TidemarkError(errorCodes.diskNotFound, `The export has no disk ${id}.`);
}

function wentBack(name: string): TidemarkError {
  return new TidemarkError(
    errorCodes.trackingUnknown,
    `The disk ${name} does not write to the file any more that the last backup had read.`,
    { hint: 'A checkpoint of the VM was applied or removed since, so the disk is read in full.' },
  );
}

function notTracked(name: string): TidemarkError {
  return new TidemarkError(errorCodes.trackingUnknown, `Changes of the disk ${name} are not tracked by Hyper-V.`, {
    hint: 'The disk is read in full. Convert an old VHD to VHDX to have it tracked.',
  });
}
