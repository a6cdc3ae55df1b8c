/** VMs being restored: built in `restoring`, invisible until one rename makes them VMs of the host. */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { syncDirectory } from '../../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { restoreSessionId, vmId as parseVmId } from '../../protocol/ids.ts';
import type { DiskId, RestoreSessionId, VmId } from '../../protocol/ids.ts';
import type { DiskWriter, JobContext, RestoreDefinition } from '../provider.ts';
import { createDisk, openLeaf } from './disk-files.ts';
import type { LeafWriter } from './disk-files.ts';
import { stampedDisks } from './disk-check.ts';
import { describeDisk } from './host.ts';
import { JobProgress } from './jobs.ts';
import { checkName, sameName } from './layout.ts';
import { checkFree, openStaging, publishVm } from './staging.ts';
import type { Staging } from './staging.ts';
import { vmState } from './state.ts';
import type { DiskState, VmDocument } from './state.ts';
import { LockedVm, readHost, writeVm } from './store.ts';
import type { StepHook } from './steps.ts';

interface Session {
  readonly id: RestoreSessionId;
  readonly staging: Staging;
  readonly directory: string;
  readonly document: VmDocument;
  /** The open disk files, by the id the disk had when it was backed up. */
  readonly writers: ReadonlyMap<DiskId, LeafWriter>;
  ended: boolean;
}

/** The restore sessions of one provider. */
export class Restores {
  readonly #root: string;
  readonly #jobMs: number;
  readonly #step: StepHook;
  readonly #sessions = new Map<RestoreSessionId, Session>();

  constructor(root: string, jobMs: number, step: StepHook) {
    this.#root = root;
    this.#jobMs = jobMs;
    this.#step = step;
  }

  /** Throws `TM2114` when the name is taken, `TM1001` for bad names. */
  async begin(definition: RestoreDefinition, signal: AbortSignal): Promise<RestoreSessionId> {
    await readHost(this.#root);
    checkDefinition(definition);
    await checkFree(this.#root, definition.name);
    await using undo = new AsyncDisposableStack();
    const staging = await openStaging(this.#root, 'restoring', signal);
    undo.defer(() => staging.remove());
    const directory = join(staging.path, 'vm');
    await mkdir(directory);
    const disks: DiskState[] = [];
    const writers = new Map<DiskId, LeafWriter>();
    for (const disk of definition.disks) {
      throwIfAborted(signal);
      const { name, sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk;
      const path = join(directory, `${name}.vhdx`);
      await createDisk(path, { sizeBytes, logicalSectorBytes, physicalSectorBytes });
      disks.push(await describeDisk(directory, name));
      const writer = await openLeaf(path);
      undo.defer(() => writer.close());
      writers.set(disk.id, writer);
    }
    const id = restoreSessionId(staging.id, 'sessionId');
    const document = restoredVm(definition, disks);
    this.#sessions.set(id, { id, staging, directory, document, writers, ended: false });
    undo.move();
    return id;
  }

  /** Throws `TM2116`, `TM2102`. */
  openDisk(id: RestoreSessionId, diskId: DiskId): DiskWriter {
    const session = this.#get(id);
    const writer = session.writers.get(diskId);
    if (writer === undefined) {
      throw new TidemarkError(errorCodes.diskNotFound, `The VM being restored has no disk ${diskId}.`);
    }
    let closed = false;
    const check = (): void => {
      if (closed || session.ended) throw sessionNotFound(id);
    };
    // The file stays open until the session ends: several connections may write parts of one disk.
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      if (!session.ended) await writer.flush();
    };
    return {
      write: async (source, offset) => {
        check();
        await writer.write(source, offset);
      },
      flush: async () => {
        check();
        await writer.flush();
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  /** Makes the VM one of the host: off, without tracking. Throws `TM2116`, and `TM2114` when its name was taken meanwhile. */
  async commit(id: RestoreSessionId, job: JobContext): Promise<VmId> {
    const session = this.#get(id);
    const progress = new JobProgress(job, 'restore');
    await progress.elapse(this.#jobMs, 80);
    throwIfAborted(job.signal);
    await checkFree(this.#root, session.document.name);
    session.ended = true;
    this.#sessions.delete(id);
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => session.staging.remove());
    for (const writer of session.writers.values()) {
      await writer.flush();
      await writer.close();
    }
    this.#step('restore:closed');
    // No lock is needed for a VM that nobody sees yet.
    const vm = new LockedVm(this.#root, session.directory, session.document);
    await writeVm(session.directory, { ...session.document, disks: await stampedDisks(vm) });
    await syncDirectory(session.directory);
    this.#step('restore:written');
    await publishVm(this.#root, session.directory, session.document.name, job.signal);
    this.#step('restore:published');
    progress.report(100);
    return session.document.id;
  }

  /** Throws `TM2116`. */
  async abort(id: RestoreSessionId): Promise<void> {
    const session = this.#get(id);
    session.ended = true;
    this.#sessions.delete(id);
    for (const writer of session.writers.values()) await writer.close();
    await session.staging.remove();
  }

  async abortAll(): Promise<void> {
    for (const id of this.#sessions.keys()) await this.abort(id);
  }

  #get(id: RestoreSessionId): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw sessionNotFound(id);
    return session;
  }
}

function sessionNotFound(id: RestoreSessionId): TidemarkError {
  return new TidemarkError(errorCodes.restoreSessionNotFound, `There is no open restore ${id}.`, {
    hint: 'It ended, or the agent was restarted: start the restore again.',
  });
}

function checkDefinition(definition: RestoreDefinition): void {
  checkName(definition.name, 'VM');
  const { disks } = definition;
  if (disks.length === 0 || disks.length > 256) {
    throw new TidemarkError(errorCodes.invalidInput, 'A VM to be restored needs 1 to 256 disks.');
  }
  for (const [at, disk] of disks.entries()) {
    checkName(disk.name, 'disk');
    const twin = disks.slice(0, at).find((other) => sameName(other.name, disk.name) || other.id === disk.id);
    if (twin === undefined) continue;
    throw new TidemarkError(
      errorCodes.invalidInput,
      `Two disks of the VM have the name ${disk.name} or the id ${disk.id}.`,
    );
  }
}

function restoredVm(definition: RestoreDefinition, disks: readonly DiskState[]): VmDocument {
  const { configuration, name, connectNetwork } = definition;
  const { generation, configVersion, processorCount, memoryBytes, networkAdapters } = configuration;
  const document: VmDocument = {
    format: 1,
    id: parseVmId(randomUUID().toUpperCase(), 'vmId'),
    name,
    state: 'off',
    lastShutdown: 'clean',
    vss: 'ok',
    generation,
    configVersion,
    processorCount,
    memoryBytes,
    // A restored VM beside the original one must not answer in its place.
    networkAdapters: networkAdapters.map((adapter) => (connectNetwork ? adapter : { ...adapter, switchName: null })),
    disks,
    referencePoints: [],
  };
  return vmState(document, 'The VM');
}
