/** The steps of a backup that happen on the host: checkpoint, export, reference point, and taking them back. */
import { randomUUID } from 'node:crypto';

import * as agent from '../../protocol/agent.ts';
import type { BackupRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { DiskId, ExportId, ReferencePointId } from '../../protocol/ids.ts';
import type { RequestMessage } from '../../protocol/message.ts';
import type { Checkpoint, ReferencePoint } from '../../protocol/model.ts';
import type { Parsed } from '../../protocol/parse.ts';
import type { RunContext, RunServices } from './context.ts';
import type { LocatedVm } from './locate-vm.ts';

/** How long cleaning up after a failure may take, ms; what is left then, the next run on the host removes. */
const cleanUpTimeoutMs = 60_000;

/** An open export as the agent described it. */
export type OpenedExport = Parsed<typeof agent.openExport.result>;

/** One VM's host, during one run. */
export class BackupHost {
  readonly #located: LocatedVm;
  readonly #context: RunContext;
  readonly #services: RunServices;
  /** Shown with the run and stored in the restore point. */
  readonly #warn: (text: string) => void;

  constructor(located: LocatedVm, context: RunContext, services: RunServices, warn: (text: string) => void) {
    this.#located = located;
    this.#context = context;
    this.#services = services;
    this.#warn = warn;
  }

  /** Takes the checkpoint at the consistency asked for. Falls back to crash consistency only where the request allows it, and says so. */
  async takeCheckpoint(consistency: BackupRequest['consistency'], signal: AbortSignal): Promise<Checkpoint> {
    const { host, vm } = this.#located;
    await this.#context.journal({ type: 'checkpoint-requested', host: host.name, vmId: vm.id });
    if (consistency !== 'application-or-crash') return this.#createCheckpoint(consistency, signal);
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
    const params = { vmId: this.#located.vm.id, runId: this.#context.id, consistency };
    const { checkpoint } = await this.#request(agent.createCheckpoint, params, signal);
    this.#context.log('info', `Checkpoint ${checkpoint.id}, ${checkpoint.consistency}-consistent.`);
    return checkpoint;
  }

  /** Makes the checkpoint's disks readable. */
  async openExport(
    checkpoint: Checkpoint,
    excludeDisks: readonly DiskId[],
    signal: AbortSignal,
  ): Promise<OpenedExport> {
    const opened = await this.#request(agent.openExport, { checkpointId: checkpoint.id, excludeDisks }, signal);
    for (const warning of opened.warnings) this.#warn(warning);
    return opened;
  }

  async closeExport(exportId: ExportId): Promise<void> {
    if (this.#located.connection.closed.aborted) return;
    try {
      await this.#request(agent.closeExport, { exportId }, AbortSignal.timeout(cleanUpTimeoutMs));
    } catch (error) {
      this.#context.log('warning', 'The export could not be closed; the agent closes it with the connection.', error);
    }
  }

  /** Turns the checkpoint into a reference point. A failure of only this step costs the next run its incremental, not this run its restore point. */
  async convert(checkpoint: Checkpoint, signal: AbortSignal): Promise<ReferencePoint | undefined> {
    if (checkpoint.disks.every((disk) => disk.trackingId === undefined)) {
      await this.removeCheckpoint(checkpoint);
      return undefined;
    }
    try {
      const { referencePoint } = await this.#request(
        agent.convertCheckpoint,
        { checkpointId: checkpoint.id },
        signal,
      );
      this.#context.log('info', `Reference point ${referencePoint.id}.`);
      return referencePoint;
    } catch (error) {
      await this.removeCheckpoint(checkpoint);
      if (signal.aborted) throw error;
      const reason = TidemarkError.from(error).message;
      this.#warn(`No reference point could be made, so the next backup of this VM will be a full one: ${reason}`);
      this.#context.log('warning', 'Converting the checkpoint failed.', error);
      return undefined;
    }
  }

  /** Removes the checkpoint of a run that failed; the base of the next incremental stays as it is. */
  async removeCheckpoint(checkpoint: Checkpoint): Promise<void> {
    try {
      const signal = AbortSignal.timeout(cleanUpTimeoutMs);
      const { connection, host } = this.#located;
      const usable = connection.closed.aborted ? await host.connect(signal) : connection;
      await usable.request(agent.removeCheckpoint, { checkpointId: checkpoint.id }, { signal });
      this.#context.log('info', `Removed checkpoint ${checkpoint.id}.`);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.checkpointNotFound)) return;
      this.#warn('The checkpoint could not be removed now; the next run on this host removes it.');
      this.#context.log('warning', `Checkpoint ${checkpoint.id} was not removed.`, error);
    }
  }

  /** Removes the VM's own reference points that are `obsolete`. What cannot be removed now, the next run on the host removes. */
  async removeReferencePoints(obsolete: (id: ReferencePointId) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(cleanUpTimeoutMs);
    try {
      const { vm } = this.#located;
      const { referencePoints } = await this.#request(agent.listReferencePoints, { vmId: vm.id }, signal);
      for (const old of referencePoints) {
        if (old.owner !== this.#services.owner || !obsolete(old.id)) continue;
        await this.#request(agent.removeReferencePoint, { referencePointId: old.id }, signal);
        this.#context.log('info', `Removed the reference point ${old.id}: nothing counts from it any more.`);
      }
    } catch (error) {
      this.#context.log('warning', 'A reference point was not removed; the next run tries again.', error);
    }
  }

  async #request<P, R>(message: RequestMessage<P, R>, params: P, signal: AbortSignal): Promise<R> {
    const onJob = (_kind: agent.JobKind, percent: number): void => this.#context.jobPercent(percent);
    try {
      return await this.#located.connection.request(message, { ...params, job: randomUUID() }, { signal, onJob });
    } finally {
      this.#context.jobPercent(undefined);
    }
  }
}
