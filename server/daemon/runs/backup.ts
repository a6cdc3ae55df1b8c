/** A backup run, in the order of docs/architecture.md: a crash between any two steps leaves either the old state or the new one. */
import { failpoint } from '../../base/failpoint.ts';
import type { BackupRequest, RunOutcome } from '../../protocol/daemon.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { Checkpoint, ReferencePoint } from '../../protocol/model.ts';
import type { NewRestorePoint, Repository, StoredRestorePoint, WriteSession } from '../../repository/index.ts';
import { restorePointInfo } from '../restore-point-info.ts';
import { excludedDisks, storeDisks } from './backup-disks.ts';
import { BackupHost } from './backup-host.ts';
import { chooseBase } from './choose-base.ts';
import type { Base } from './choose-base.ts';
import type { RunContext, RunServices } from './context.ts';
import { locateVm } from './locate-vm.ts';
import type { LocatedVm } from './locate-vm.ts';

/** Backs up one VM. Resolves only when the restore point is durable. */
export async function executeBackup(
  request: BackupRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, context.signal);
  const { points } = await repository.listRestorePoints(context.signal);
  const knownIds = new Set(points.filter((point) => point.vmName === request.vm).map((point) => point.vmId));
  const located = await locateVm(request, knownIds, context, services);
  const { host, connection, vm } = located;
  context.log('info', `Backing up ${vm.name} (${vm.id}) on ${host.name} to ${request.repository}.`);
  for (const warning of connection.warnings) context.log('warning', warning);
  failpoint('backup.1-located');

  await services.cleanUp(host, vm.id, connection, context.signal);
  const earlier = points
    .filter((point) => point.vmId === vm.id)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const base = await chooseBase(earlier, vm.id, request.type, connection, context.signal);
  failpoint('backup.2-base-chosen');

  await using session = await repository.beginWrite({ signal: context.signal, note: `backup ${context.id}` });
  const point = await new Backup(request, context, services, located, repository, session).run(base, earlier);
  return { kind: 'backup', restorePoint: restorePointInfo(point, request.repository) };
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
    let content: Pick<NewRestorePoint, 'disks' | 'configuration'>;
    try {
      failpoint('backup.3-checkpoint');
      content = await this.#store(checkpoint, base, earlier.at(-1));
      throwIfAborted(this.#signal);
    } catch (error) {
      this.#context.phase('cleaning-up');
      await this.#host.removeCheckpoint(checkpoint);
      throw error;
    }
    failpoint('backup.7-durable');
    this.#context.phase('reference-point');
    const referencePoint = await this.#host.convert(checkpoint, this.#context.signal);
    failpoint('backup.7-reference-point');
    let point: StoredRestorePoint;
    try {
      throwIfAborted(this.#context.signal);
      point = await this.#commit(checkpoint, content, referencePoint);
    } catch (error) {
      // No restore point will name it: the base of the next incremental stays the old one.
      if (referencePoint !== undefined) await this.#host.removeReferencePoints((id) => id === referencePoint.id);
      throw error;
    }
    failpoint('backup.8-committed');
    await this.#context.journal({ type: 'restore-point-written', restorePoint: point.id });
    const superseded = new Set(earlier.map((old) => old.referencePointId));
    await this.#host.removeReferencePoints((id) => superseded.has(id));
    failpoint('backup.8-superseded-removed');
    return point;
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
    const incremental = content.disks.some((disk) => disk.kind.type === 'incremental');
    return this.#session.commit(
      {
        ...content,
        vmId: this.#located.vm.id,
        vmName: this.#located.vm.name,
        host: this.#located.host.name,
        createdAt: checkpoint.createdAt,
        type: incremental ? 'incremental' : 'full',
        consistency: checkpoint.consistency,
        ...(referencePoint === undefined ? {} : { referencePointId: referencePoint.id }),
        warnings: this.#warnings,
        runId: this.#context.id,
        owner: this.#services.owner,
        version: this.#services.version,
      },
      this.#context.signal,
    );
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

  #warn(text: string): void {
    this.#warnings.push(text);
    this.#context.warn(text);
  }
}
