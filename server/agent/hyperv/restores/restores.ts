/** VMs being restored: their disks are written into new files, and only at the end Hyper-V makes a VM of them. */
import { Mutex } from '../../../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import { restoreSessionId } from '../../../protocol/ids.ts';
import type { DiskId, RestoreSessionId, VmId } from '../../../protocol/ids.ts';
import { openVhdxWriter } from '../../../vhdx/index.ts';
import type { VhdxWriter } from '../../../vhdx/index.ts';
import type { DiskWriter, JobContext, RestoreDefinition, RestoredVm } from '../../provider.ts';
import { settle, uncancelled } from '../calls/calls.ts';
import { getHost, getVm, startRealization } from '../commands/index.ts';
import type { Started } from '../commands/index.ts';
import { withFileErrors } from '../failures/file-errors.ts';
import { isPlainPath } from '../paths.ts';
import { WorkProgress } from '../../work-progress.ts';
import { newRecordKey } from '../records.ts';
import { checkPlace, checkPlaces, makeFolder, planFolder, removeFolder } from './files.ts';
import { PlannedVms } from './planned.ts';
import type { PlannedVmHost, RestorePlan } from './planned.ts';
import { recoverRestore } from './recover.ts';
import type { RestoreRecord } from './record.ts';

/** Percent of the job up to where the planned VM is ready. */
const plannedPercent = 60;
const maxNameLength = 100;
const maxDisks = 256;

/** What restores need of the host. */
export interface RestoresOptions extends PlannedVmHost {
  /** Where restored VMs go; default the folder for virtual hard disks in the Hyper-V settings. */
  readonly restoreDirectory?: string | undefined;
}

interface Session extends RestorePlan {
  readonly id: RestoreSessionId;
  readonly record: RestoreRecord;
  /** The open disk files, by the id the disk had when it was backed up. */
  readonly writers: ReadonlyMap<DiskId, VhdxWriter>;
  /** Completing and taking back exclude each other. */
  readonly ending: Mutex;
  /** No disk is written any more. */
  closed: boolean;
}

/** The restore sessions of one provider. */
export class Restores {
  readonly #options: RestoresOptions;
  readonly #planned: PlannedVms;
  readonly #sessions = new Map<RestoreSessionId, Session>();

  constructor(options: RestoresOptions) {
    this.#options = options;
    this.#planned = new PlannedVms(options);
  }

  /** Throws `TM2114` when the name is taken, `TM1001` for definitions that cannot be, `TM2115` on a full disk. */
  async begin(definition: RestoreDefinition, signal: AbortSignal): Promise<RestoreSessionId> {
    checkDefinition(definition);
    return withFileErrors(async () => this.#begin(definition, signal));
  }

  async #begin(definition: RestoreDefinition, signal: AbortSignal): Promise<RestoreSessionId> {
    const { records, step } = this.#options;
    const root = await this.#root(signal);
    await this.#checkFree(definition.name, signal);
    const key = newRecordKey();
    const { folder, disks } = planFolder(root, key, definition);
    const { name, configuration } = definition;
    await using undo = new AsyncDisposableStack();
    const record = await records.put({
      format: 1,
      key,
      folder,
      name,
      sourceName: configuration.name,
      phase: 'files',
      before: [],
    });
    step('restore:recorded');
    undo.defer(async () => {
      await removeFolder(folder);
      await records.delete(key);
    });
    throwIfAborted(signal);
    await makeFolder(root, folder, definition, disks);
    step('restore:created');
    const writers = new Map<DiskId, VhdxWriter>();
    for (const { id, path } of disks) {
      throwIfAborted(signal);
      // What was just made has no parent: one that names some was put there.
      const writer = await openVhdxWriter(path, { mayBeParent: () => false });
      undo.defer(() => writer.close());
      await checkPlace(folder, path);
      writers.set(id, writer);
    }
    const id = restoreSessionId(key, 'sessionId');
    this.#sessions.set(id, { id, record, definition, folder, disks, writers, ending: new Mutex(), closed: false });
    undo.move();
    return id;
  }

  async #root(signal: AbortSignal): Promise<string> {
    const { restoreDirectory, calls } = this.#options;
    if (restoreDirectory !== undefined) return restoreDirectory;
    const { defaultDiskFolder } = await calls.invoke(getHost, {}, signal);
    if (defaultDiskFolder !== null && isPlainPath(defaultDiskFolder)) return defaultDiskFolder;
    throw new TidemarkError(errorCodes.hypervUnavailable, 'Hyper-V does not say where this host keeps virtual disks.', {
      hint: 'Set a restore folder for the agent, or check that the Hyper-V role is installed and running.',
    });
  }

  /** Hyper-V itself takes a name twice; people then mistake one VM for the other. */
  async #checkFree(name: string, signal: AbortSignal): Promise<void> {
    const { vms } = await this.#options.calls.invoke(getVm, {}, signal);
    if (!vms.some((vm) => vm.name.toLowerCase() === name.toLowerCase())) return;
    throw new TidemarkError(errorCodes.vmExists, `This host has a VM ${name} already.`, {
      hint: 'Choose another name, or rename or remove that VM first.',
    });
  }

  /** Throws `TM2116`, `TM2102`. */
  openDisk(id: RestoreSessionId, diskId: DiskId): DiskWriter {
    const session = this.#get(id);
    if (session.closed) throw sessionNotFound(id);
    const writer = session.writers.get(diskId);
    if (writer === undefined) {
      throw new TidemarkError(errorCodes.diskNotFound, `The VM being restored has no disk ${diskId}.`);
    }
    let closed = false;
    const check = (): void => {
      if (closed || session.closed) throw sessionNotFound(id);
    };
    // The file stays open until the session ends: several connections may write parts of one disk.
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      if (!session.closed) await withFileErrors(async () => writer.flush());
    };
    return {
      write: async (source, offset) => {
        check();
        await withFileErrors(async () => writer.write(source, offset));
      },
      flush: async () => {
        check();
        await withFileErrors(async () => writer.flush());
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  /** Makes the VM one of the host: off, with an id of its own. When that fails nothing of it is left but the files, until the restore is aborted. Throws `TM2116`, and `TM2114` when its name was taken meanwhile. */
  async commit(id: RestoreSessionId, job: JobContext): Promise<RestoredVm> {
    const session = this.#get(id);
    return session.ending.run(async () => {
      this.#get(id);
      const progress = new WorkProgress(job, 'restore');
      const { step, records } = this.#options;
      await withFileErrors(async () => closeWriters(session, true));
      step('restore:closed');
      await withFileErrors(async () => checkPlaces(session.folder, session.disks));
      throwIfAborted(job.signal);
      await this.#checkFree(session.definition.name, job.signal);
      const { vmId, record, warnings } = await this.#planned.make(session, session.record, job.signal);
      progress.report(plannedPercent);
      try {
        await this.#realize(vmId, record, job.signal, progress.part(plannedPercent, 100));
      } catch (error) {
        await this.#planned.remove(record);
        throw error;
      }
      step('restore:realized');
      this.#sessions.delete(id);
      await records.delete(session.record.key);
      progress.report(100);
      return { vmId, warnings };
    });
  }

  async #realize(
    vmId: VmId,
    planned: RestoreRecord,
    signal: AbortSignal,
    progress: (percent: number) => void,
  ): Promise<void> {
    const { calls, records, step, log } = this.#options;
    throwIfAborted(signal);
    const record = await records.put({ ...planned, phase: 'realizing', jobId: undefined });
    step('restore:realizing');
    let outcome: Started | undefined;
    try {
      outcome = await calls.invoke(startRealization, { VmId: vmId }, uncancelled);
      if (outcome.state === 'started') await records.put({ ...record, jobId: outcome.jobId });
      await calls.finish(outcome, { signal, progress });
    } catch (error) {
      if (outcome !== undefined) await settle(calls, log, outcome);
      // Whatever Hyper-V said, or whoever cancelled: a VM that is there was restored.
      const { vms } = await calls.invoke(getVm, { VmId: vmId }, uncancelled);
      if (vms.length === 0) throw error;
      log.log('warning', 'Hyper-V reported a failure, but the restored VM is there.', error);
    }
  }

  /** Removes what the restore made. Throws `TM2116`. */
  async abort(id: RestoreSessionId): Promise<void> {
    const session = this.#get(id);
    await session.ending.run(async () => {
      this.#get(id);
      await closeWriters(session, false);
      this.#sessions.delete(id);
      await withFileErrors(async () => this.#recover(session.record.key));
    });
  }

  async abortAll(): Promise<void> {
    for (const id of this.#sessions.keys()) {
      try {
        await this.abort(id);
      } catch (error) {
        if (!TidemarkError.is(error, errorCodes.restoreSessionNotFound)) throw error;
      }
    }
  }

  /** Takes back what an agent that died had begun. Gives lines for the log; what cannot be done now is kept for the next time. */
  async recover(signal: AbortSignal): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const { key, name } of this.#options.records.list()) {
      if (this.#sessions.has(restoreSessionId(key, 'sessionId'))) continue;
      throwIfAborted(signal);
      try {
        lines.push(await this.#recover(key));
      } catch (error) {
        lines.push(`What the restore of ${name} left could not be removed yet: ${TidemarkError.from(error).message}`);
        this.#options.log.log('warning', `taking back the restore of ${name} failed`, error);
      }
    }
    return lines;
  }

  async #recover(key: string): Promise<string> {
    return recoverRestore(key, this.#options, this.#planned);
  }

  #get(id: RestoreSessionId): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw sessionNotFound(id);
    return session;
  }
}

/** Closes all files, also when one of them fails. Closing twice does nothing. */
async function closeWriters(session: Session, flush: boolean): Promise<void> {
  if (session.closed) return;
  if (flush) for (const writer of session.writers.values()) await writer.flush();
  session.closed = true;
  await using closing = new AsyncDisposableStack();
  for (const writer of session.writers.values()) closing.defer(() => writer.close());
}

function sessionNotFound(id: RestoreSessionId): TidemarkError {
  return new TidemarkError(errorCodes.restoreSessionNotFound, `There is no open restore ${id}.`, {
    hint: 'It ended, or the agent was restarted: start the restore again.',
  });
}

function checkDefinition({ name, disks }: RestoreDefinition): void {
  const refuse = (what: string): never => {
    throw new TidemarkError(errorCodes.invalidInput, what);
  };
  if (name.trim() === '' || name.length > maxNameLength) {
    refuse(`The name of a VM has 1 to ${maxNameLength} characters.`);
  }
  if (disks.length === 0 || disks.length > maxDisks) refuse(`A VM to be restored needs 1 to ${maxDisks} disks.`);
  const ids = new Set(disks.map(({ id }) => id));
  if (ids.size !== disks.length) refuse('Two disks of the VM have the same id.');
}
