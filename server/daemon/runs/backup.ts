/** A backup run, in the order of docs/architecture.md: a crash between any two steps leaves either the old state or the new one. */
import { failpoint } from '../../base/failpoint.ts';
import type { BackupRequest, RunOutcome } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, TrackingId } from '../../protocol/ids.ts';
import type { Checkpoint, ReferencePoint } from '../../protocol/model.ts';
import { isChunkBytes } from '../../repository/index.ts';
import type { NewRestorePoint, Repository, StoredRestorePoint, WriteSession } from '../../repository/index.ts';
import { restorePointInfo } from '../restore-point-info.ts';
import { excludedDisks, storeDisks } from './backup-disks.ts';
import { BackupHost } from './backup-host.ts';
import { beginWrite } from './begin-write.ts';
import { momentsOf, trackingIdsOf } from './check-agent.ts';
import { chooseBase } from './choose-base.ts';
import type { Base } from './choose-base.ts';
import type { RunContext, RunServices } from './context.ts';
import { locateVm } from './locate-vm.ts';
import type { LocatedVm } from './locate-vm.ts';

/** Limits of `restorePointInfo.warnings` in protocol/model.ts. */
const maxWarnings = 1024;
const maxWarningLength = 4096;

/** Backs up one VM. Resolves only when the restore point is durable. */
export async function executeBackup(
  request: BackupRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  checkChunkBytes(request.chunkBytes);
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, context.signal);
  const knownIds = async (): Promise<ReadonlySet<string>> => {
    const { points } = await repository.listRestorePoints(context.signal);
    const name = request.vm.toUpperCase();
    return new Set(points.filter((point) => point.vmName.toUpperCase() === name).map((point) => point.vmId));
  };
  const located = await locateVm(request, knownIds, context, services);
  const { host, connection, vm } = located;
  context.setTitle(`${host.name}/${vm.name} → ${request.repository}`);
  context.log('info', `Backing up ${vm.name} (${vm.id}) on ${host.name} to ${request.repository}.`);
  for (const warning of connection.warnings) context.log('warning', warning);
  // From here on the VM is this run's: what is found out about it now stays true until the run ends.
  await context.journal({ type: 'checkpoint-requested', host: host.name, vmId: vm.id });
  failpoint('backup.1-located');

  await cleanUpBefore(located, context, services);
  const { points, damaged } = await repository.listRestorePoints(context.signal);
  for (const { file, error } of damaged) context.log('warning', `Restore point file ${file} cannot be read.`, error);
  const earlier = points.filter((point) => point.vmId === vm.id).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const base = await chooseBase(earlier, vm.id, request.type, connection, context.signal);
  failpoint('backup.2-base-chosen');

  const session = await beginWrite(repository, context);
  try {
    const point = await new Backup(request, context, services, located, repository, session).run(base, earlier);
    return { kind: 'backup', restorePoint: restorePointInfo(point, request.repository, undefined) };
  } finally {
    await release(session, context);
  }
}

/** A lease that cannot be given back runs out; it must not turn a restore point that exists into a failed run. */
async function release(session: WriteSession, context: RunContext): Promise<void> {
  try {
    await session[Symbol.asyncDispose]();
  } catch (error) {
    context.log('warning', 'The writer lease could not be given back and runs out by itself.', error);
  }
}

/** Throws `TM1001` for a chunk size that no repository takes. */
function checkChunkBytes(chunkBytes: number | undefined): void {
  if (chunkBytes === undefined || isChunkBytes(chunkBytes)) return;
  throw new TidemarkError(errorCodes.invalidInput, 'The chunk size must be a power of two.', {
    hint: 'Choose one from 64KiB to 4MiB.',
  });
}

/** What a crash left of this VM goes first. Something that cannot be removed now is no reason to go without a backup. */
async function cleanUpBefore(located: LocatedVm, context: RunContext, services: RunServices): Promise<void> {
  const { host, vm, connection } = located;
  try {
    await services.cleanUp(host, vm.id, connection, context.signal, (text) => context.warn(text));
  } catch (error) {
    throwIfAborted(context.signal);
    throwIfAborted(connection.closed);
    context.warn(`What an earlier run left on ${host.name} could not be removed: ${TidemarkError.from(error).message}`);
    context.log('warning', 'Cleaning up before the backup failed.', error);
  }
}

class Backup {
  readonly #request: BackupRequest;
  readonly #context: RunContext;
  readonly #services: RunServices;
  readonly #located: LocatedVm;
  readonly #repository: Repository;
  readonly #session: WriteSession;
  readonly #host: BackupHost;
  /** The run is over when it is cancelled, when the writer lease is lost, or when the agent is gone. */
  readonly #signal: AbortSignal;
  readonly #warnings: string[] = [];

  constructor(
    request: BackupRequest,
    context: RunContext,
    services: RunServices,
    located: LocatedVm,
    repository: Repository,
    session: WriteSession,
  ) {
    this.#request = request;
    this.#context = context;
    this.#services = services;
    this.#located = located;
    this.#repository = repository;
    this.#session = session;
    this.#host = new BackupHost(located, context, services, (text) => this.#warn(text));
    this.#signal = AbortSignal.any([context.signal, session.signal, located.connection.closed]);
  }

  async run(base: Base, earlier: readonly StoredRestorePoint[]): Promise<StoredRestorePoint> {
    this.#explainBase(base);
    this.#context.phase('checkpoint');
    const checkpoint = await this.#host.takeCheckpoint(this.#request.consistency, this.#signal);
    try {
      failpoint('backup.3-checkpoint');
      const content = await this.#store(checkpoint, base, earlier.at(-1));
      throwIfAborted(this.#signal);
      failpoint('backup.7-durable');
      this.#context.phase('reference-point');
      const referencePoint = await this.#host.convert(
        checkpoint,
        content.disks,
        momentsOf(earlier),
        this.#context.signal,
      );
      failpoint('backup.7-reference-point');
      // The agent may be gone by now: everything that it had to give is here.
      throwIfAborted(this.#context.signal);
      throwIfAborted(this.#session.signal);
      const point = await this.#commit(checkpoint, content, referencePoint);
      failpoint('backup.8-committed');
      await this.#settle(point, earlier);
      return point;
    } catch (error) {
      // No restore point names what was made on the host: the base of the next incremental stays the old one.
      this.#context.phase('cleaning-up');
      await this.#host.takeBack();
      throw error;
    }
  }

  /** Steps 4 to 6 and the first half of 7: everything that the restore point will name is durable. */
  async #store(
    checkpoint: Checkpoint,
    base: Base,
    newest: StoredRestorePoint | undefined,
  ): Promise<Pick<NewRestorePoint, 'disks' | 'configuration'>> {
    throwIfAborted(this.#signal);
    this.#context.phase('extents');
    const exclude = excludedDisks(this.#request, checkpoint);
    this.#explainMissing(checkpoint);
    const opened = await this.#host.openExport(checkpoint, exclude, this.#signal);
    try {
      failpoint('backup.4-export-open');
      const disks = await storeDisks({
        request: this.#request,
        context: this.#context,
        located: this.#located,
        opened,
        base,
        newest,
        repository: this.#repository,
        session: this.#session,
        signal: this.#signal,
        warn: (text) => this.#warn(text),
      });
      failpoint('backup.6-streamed');
      await this.#host.checkFrozen(checkpoint, this.#signal);
      this.#context.phase('sealing');
      const configuration = Buffer.from(JSON.stringify(opened.configuration));
      const configurationId = await this.#session.putMetadata('vm-config', configuration, this.#signal);
      await this.#session.flush(this.#signal);
      return { disks, configuration: configurationId };
    } finally {
      await this.#host.closeExport(opened.exportId);
    }
  }

  /** Step 8. Only when this resolved does the restore point exist. */
  async #commit(
    checkpoint: Checkpoint,
    content: Pick<NewRestorePoint, 'disks' | 'configuration'>,
    referencePoint: ReferencePoint | undefined,
  ): Promise<StoredRestorePoint> {
    this.#context.phase('committing');
    // Only a reference point keeps a moment: without one there is nothing that the next run could count from.
    const tracked = referencePoint === undefined ? new Map<DiskId, TrackingId>() : trackingIdsOf(referencePoint);
    const disks = content.disks.map((disk) => {
      const trackingId = tracked.get(disk.id);
      return trackingId === undefined ? disk : { ...disk, trackingId };
    });
    const incremental = content.disks.some((disk) => disk.kind.type === 'incremental');
    return this.#session.commit(
      {
        ...content,
        disks,
        vmId: this.#located.vm.id,
        vmName: this.#located.vm.name,
        host: this.#located.host.name,
        createdAt: checkpoint.createdAt,
        type: incremental ? 'incremental' : 'full',
        consistency: checkpoint.consistency,
        ...(referencePoint === undefined ? {} : { referencePointId: referencePoint.id }),
        ...(this.#request.policy === undefined ? {} : { policy: this.#request.policy }),
        warnings: this.#warnings,
        runId: this.#context.id,
        owner: this.#services.owner,
        version: this.#services.version,
      },
      this.#context.signal,
    );
  }

  /** After the commit: the restore point exists, so nothing here may fail the run. */
  async #settle(point: StoredRestorePoint, earlier: readonly StoredRestorePoint[]): Promise<void> {
    try {
      await this.#context.journal({ type: 'restore-point-written', restorePoint: point.id });
    } catch (error) {
      this.#context.log('error', `The journal could not record restore point ${point.id}.`, error);
    }
    await this.#host.removeReferencePoints(earlier, this.#context.signal);
    failpoint('backup.8-superseded-removed');
  }

  #explainBase(base: Base): void {
    if (base.type === 'restore-point') {
      this.#context.log('info', `Incremental since restore point ${base.point.id} of ${base.point.createdAt}.`);
      return;
    }
    this.#context.log('info', `Full: ${base.reason}.`);
    if (base.reason === 'reference-point-missing') {
      this.#warn('The host no longer knows the reference point of the last backup, so all data was read again.');
    }
  }

  /** A disk that no checkpoint can freeze (a pass-through disk) is missing from the restore point: that must not go unsaid. */
  #explainMissing(checkpoint: Checkpoint): void {
    for (const { id, name } of this.#located.vm.disks) {
      if (checkpoint.disks.some((disk) => disk.id === id)) continue;
      this.#warn(`Disk ${name} is not part of the checkpoint and was not backed up.`);
    }
  }

  #warn(text: string): void {
    if (this.#warnings.length < maxWarnings) this.#warnings.push(text.slice(0, maxWarningLength));
    this.#context.warn(text);
  }
}
