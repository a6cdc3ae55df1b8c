/** The steps of a backup that happen on the host: checkpoint, export, reference point, and taking them back. */
import { failpoint } from '../../base/failpoint.ts';
import * as agent from '../../protocol/agent.ts';
import type { BackupRequest } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, ExportId } from '../../protocol/ids.ts';
import type { RequestMessage } from '../../protocol/message.ts';
import type { Checkpoint, ReferencePoint } from '../../protocol/model.ts';
import type { Parsed } from '../../protocol/parse.ts';
import type { StoredDisk, StoredRestorePoint } from '../../repository/index.ts';
import type { AgentConnection } from '../agent-client/connection.ts';
import { checkCheckpoint, checkExport, contradiction, isFrom, isMadeBy, trackingIdsOf } from './check-agent.ts';
import type { Maker, Moments } from './check-agent.ts';
import type { RunContext, RunServices } from './context.ts';
import type { LocatedVm } from './locate-vm.ts';

/** How long cleaning up after a failure may take, ms; what is left then, the daemon removes when the host answers again. */
const cleanUpTimeoutMs = 60_000;
const closeTimeoutMs = 10_000;

/** An open export as the agent described it. */
export type OpenedExport = Parsed<typeof agent.openExport.result>;

/** One VM's host, during one run. */
export class BackupHost {
  readonly #located: LocatedVm;
  readonly #context: RunContext;
  readonly #maker: Maker;
  /** Shown with the run and stored in the restore point. */
  readonly #warn: (text: string) => void;

  constructor(located: LocatedVm, context: RunContext, services: RunServices, warn: (text: string) => void) {
    this.#located = located;
    this.#context = context;
    this.#maker = { vmId: located.vm.id, owner: services.owner, runId: context.id };
    this.#warn = warn;
  }

  /**
   * Takes the checkpoint at the consistency asked for. Falls back to crash consistency only where the request allows it, and
   * warns of it unless the VM is off. When it throws, no checkpoint of this run is left, or a warning says that it could not be removed.
   */
  async takeCheckpoint(consistency: BackupRequest['consistency'], signal: AbortSignal): Promise<Checkpoint> {
    if (consistency !== 'application-or-crash') return this.#createCheckpoint(consistency, signal);
    if (this.#located.vm.state === 'off') {
      this.#context.log('info', 'The VM is off: its disks are at rest, and no application has anything to flush.');
      return this.#createCheckpoint('crash', signal);
    }
    try {
      return await this.#createCheckpoint('application', signal);
    } catch (error) {
      const recoverable =
        TidemarkError.is(error, errorCodes.consistencyUnavailable) ||
        TidemarkError.is(error, errorCodes.checkpointFailed);
      if (!recoverable || signal.aborted) throw error;
      this.#warn(`The restore point is only crash-consistent: ${error.message}`);
      this.#context.log('warning', 'Application consistency was not available.', error);
      return this.#createCheckpoint('crash', signal);
    }
  }

  async #createCheckpoint(consistency: Checkpoint['consistency'], signal: AbortSignal): Promise<Checkpoint> {
    const params = { vmId: this.#maker.vmId, runId: this.#maker.runId, consistency };
    try {
      const { checkpoint } = await this.#request(agent.createCheckpoint, params, signal);
      checkCheckpoint(checkpoint, this.#maker);
      if (consistency === 'application' && checkpoint.consistency !== 'application') {
        throw new TidemarkError(
          errorCodes.consistencyUnavailable,
          'The host took a crash-consistent checkpoint only.',
          {
            hint: 'Look into the guest for VSS errors, or allow crash consistency.',
          },
        );
      }
      throwIfAborted(signal);
      this.#context.log('info', `Checkpoint ${checkpoint.id}, ${checkpoint.consistency}-consistent.`);
      return checkpoint;
    } catch (error) {
      await this.takeBack();
      throw error;
    }
  }

  /** Makes the checkpoint's disks readable. */
  async openExport(
    checkpoint: Checkpoint,
    excludeDisks: readonly DiskId[],
    signal: AbortSignal,
  ): Promise<OpenedExport> {
    const opened = await this.#request(agent.openExport, { checkpointId: checkpoint.id, excludeDisks }, signal);
    try {
      checkExport(opened.disks, checkpoint, excludeDisks);
    } catch (error) {
      await this.closeExport(opened.exportId);
      throw error;
    }
    for (const warning of opened.warnings) this.#warn(warning);
    return opened;
  }

  /**
   * Throws `TM2106` unless the checkpoint is still there, which says that all that was read until now was frozen. When somebody else
   * removes it, its disks are merged below the readers, who see no error.
   */
  async checkFrozen(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const { checkpoints } = await this.#request(agent.listCheckpoints, { vmId: this.#maker.vmId }, signal);
    if (checkpoints.some((item) => item.id === checkpoint.id && isMadeBy(this.#maker, item))) return;
    throw new TidemarkError(
      errorCodes.checkpointNotFound,
      'Somebody else removed the checkpoint while its disks were read, so what was read may be of no one moment.',
      {
        hint: 'Run the backup again. Let no other product and nobody by hand remove checkpoints whose name begins with Tidemark.',
      },
    );
  }

  async closeExport(exportId: ExportId): Promise<void> {
    if (this.#located.connection.closed.aborted) return;
    try {
      await this.#request(agent.closeExport, { exportId }, AbortSignal.timeout(closeTimeoutMs));
    } catch (error) {
      this.#context.log('warning', 'The export could not be closed; the agent closes it with the connection.', error);
    }
  }

  /**
   * Turns the checkpoint into a reference point. A failure of only this step costs the next run its incremental, not this run
   * its restore point: it gives undefined and a warning. `stored` are the disks as this run stored them, `earlier` is what restore points of
   * the VM count from already. Throws only when `signal` is aborted.
   */
  async convert(
    checkpoint: Checkpoint,
    stored: readonly StoredDisk[],
    earlier: Moments,
    signal: AbortSignal,
  ): Promise<ReferencePoint | undefined> {
    if (!checkpoint.disks.some((disk) => disk.trackable)) {
      await this.takeBack();
      return undefined;
    }
    try {
      const params = { checkpointId: checkpoint.id };
      const { referencePoint } = await this.#request(agent.convertCheckpoint, params, signal);
      if (!isFrom(referencePoint, checkpoint, this.#maker, stored, earlier)) {
        throw contradiction('made a reference point that does not fit the checkpoint');
      }
      this.#context.log('info', `Reference point ${referencePoint.id}.`);
      return referencePoint;
    } catch (error) {
      await this.takeBack();
      if (signal.aborted) throw error;
      const reason = TidemarkError.from(error).message;
      this.#warn(`No reference point could be made, so the next backup of this VM will be a full one: ${reason}`);
      this.#context.log('warning', 'Converting the checkpoint failed.', error);
      return undefined;
    }
  }

  /**
   * Removes what this run made on the host, also what it was never told of because the answer was lost with a connection. The base
   * of the next incremental stays as it is. Never throws: a warning says what is left for later.
   */
  async takeBack(): Promise<void> {
    const signal = AbortSignal.timeout(cleanUpTimeoutMs);
    const { vmId } = this.#maker;
    try {
      const connection = await this.#usableConnection(signal);
      const { checkpoints } = await connection.request(agent.listCheckpoints, { vmId }, { signal });
      for (const { id } of checkpoints.filter((item) => isMadeBy(this.#maker, item))) {
        await this.#remove(connection, agent.removeCheckpoint, { checkpointId: id }, signal);
        this.#context.log('info', `Removed checkpoint ${id}.`);
        failpoint('backup.taking-back');
      }
      const { referencePoints } = await connection.request(agent.listReferencePoints, { vmId }, { signal });
      for (const { id } of referencePoints.filter((item) => isMadeBy(this.#maker, item))) {
        await this.#remove(connection, agent.removeReferencePoint, { referencePointId: id }, signal);
        this.#context.log('info', `Removed reference point ${id}.`);
      }
    } catch (error) {
      this.#warn('The checkpoint of this run could not be removed now; the daemon removes it when the host answers.');
      this.#context.log('warning', `What run ${this.#context.id} made on the host was not removed.`, error);
    }
  }

  /** Removes the reference points of our restore points `superseded` of the VM. Never throws: the next run of the VM tries again. */
  async removeReferencePoints(superseded: readonly StoredRestorePoint[], cancelled: AbortSignal): Promise<void> {
    if (superseded.every((point) => point.referencePointId === undefined)) return;
    const { vmId } = this.#maker;
    const signal = AbortSignal.any([cancelled, AbortSignal.timeout(cleanUpTimeoutMs)]);
    try {
      const connection = await this.#usableConnection(signal);
      const { referencePoints } = await connection.request(agent.listReferencePoints, { vmId }, { signal });
      for (const old of referencePoints) {
        const point = superseded.find((candidate) => candidate.referencePointId === old.id);
        if (point === undefined || old.vmId !== vmId || !this.#isOurs(old, point)) continue;
        // A VM that moved here carries its reference points, but not the mark: the tracking ids show that it is the one we made.
        const trackingIds = old.owner === undefined ? point.disks.flatMap((disk) => disk.trackingId ?? []) : undefined;
        const params = { referencePointId: old.id, ...(trackingIds === undefined ? {} : { trackingIds }) };
        await this.#remove(connection, agent.removeReferencePoint, params, signal);
        this.#context.log('info', `Removed reference point ${old.id}: the next run counts from the new one.`);
      }
    } catch (error) {
      this.#context.log('warning', 'A superseded reference point was not removed; the next run tries again.', error);
    }
  }

  /** Whether we made it: it carries our mark, or nobody's and the tracking ids of the restore point that names it. */
  #isOurs(referencePoint: ReferencePoint, point: StoredRestorePoint): boolean {
    if (referencePoint.owner !== undefined) return referencePoint.owner === this.#maker.owner;
    const tracked = trackingIdsOf(referencePoint);
    const known = point.disks.filter((disk) => disk.trackingId !== undefined);
    return known.length > 0 && known.every((disk) => tracked.get(disk.id) === disk.trackingId);
  }

  async #usableConnection(signal: AbortSignal): Promise<AgentConnection> {
    const { connection, host } = this.#located;
    return connection.closed.aborted ? host.connect(signal) : connection;
  }

  async #remove<P>(
    connection: AgentConnection,
    message: RequestMessage<P, unknown>,
    params: P,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await connection.request(message, params, { signal });
    } catch (error) {
      const gone =
        TidemarkError.is(error, errorCodes.checkpointNotFound) ||
        TidemarkError.is(error, errorCodes.referencePointNotFound);
      if (!gone) throw error;
    }
  }

  async #request<P, R>(message: RequestMessage<P, R>, params: P, signal: AbortSignal): Promise<R> {
    const onJob = (_kind: agent.JobKind, percent: number): void => this.#context.jobPercent(percent);
    try {
      return await this.#located.connection.request(message, params, { signal, onJob });
    } finally {
      this.#context.jobPercent(undefined);
    }
  }
}
