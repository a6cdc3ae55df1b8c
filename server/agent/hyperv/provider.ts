/** Hyper-V behind `HostProvider`: puts the operations of this folder together. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { acquireFileLock } from '../../base/file-lock.ts';
import type { FileLock } from '../../base/file-lock.ts';
import type { Logger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { VmInfo } from '../../protocol/model.ts';
import type { HostProvider } from '../provider.ts';
import { Background } from './background.ts';
import { rctBlockers } from './inventory/blockers.ts';
import { disksOfCheckpoint } from './checkpoints/checkpoint-view.ts';
import { createCheckpoint, listCheckpoints } from './checkpoints/checkpoints.ts';
import { getVm } from './commands/index.ts';
import { defaultFreeSpace } from './core.ts';
import type { Core, FreeSpaceLimits } from './core.ts';
import { toHostInfo, toVmDisks, toVmInfo, unreadableVmInfo } from './inventory/describe.ts';
import { convertCheckpoint, removeCheckpoint } from './checkpoints/endings.ts';
import { Exports } from './exports/exports.ts';
import { HostFacts } from './inventory/host-facts.ts';
import { DiskInventory } from './inventory/inventory.ts';
import { Merges } from './checkpoints/merges.ts';
import { filesSince } from './checkpoints/tracked-disks.ts';
import { createCalls } from './calls/powershell-calls.ts';
import type { CallsOptions } from './calls/powershell-calls.ts';
import { createPowerShell } from './powershell/index.ts';
import type { PowerShell } from './powershell/index.ts';
import { virtualPaths } from './checkpoints/preflight.ts';
import { openRecords } from './records.ts';
import type { Records } from './records.ts';
import { recover } from './recover.ts';
import { listReferencePoints, removeReferencePoint } from './checkpoints/reference-points.ts';
import { openRestoreRecords } from './restores/record.ts';
import { Restores } from './restores/restores.ts';
import { watchOld } from './checkpoints/old.ts';
import { watchSpace } from './checkpoints/space-watch.ts';
import { failAtStep } from './steps.ts';
import type { StepHook } from './steps.ts';
import { defaultTiming } from './timing.ts';
import type { HyperVTiming } from './timing.ts';
import { VmLocks } from './checkpoints/vm-locks.ts';

/** How the Hyper-V of this machine is driven. */
export interface HyperVProviderOptions {
  /** What the provider must still know after a crash lies here; made when it is missing. One provider uses it at a time. */
  readonly stateFolder: string;
  /** Where restored VMs go; default: where Hyper-V puts virtual disks. */
  readonly restoreFolder?: string | undefined;
  /** Default: one of its own, which ends with the provider. */
  readonly powershell?: PowerShell | undefined;
  readonly log: Logger;
  readonly timing?: Partial<HyperVTiming> | undefined;
  /** How jobs are watched. */
  readonly jobs?: CallsOptions['jobs'];
  readonly freeSpace?: Partial<FreeSpaceLimits> | undefined;
  /** Default `copy`: Tidemark never makes a guest cut its logs. */
  readonly guestBackupType?: 'full' | 'copy' | undefined;
  /** Reads copies that Hyper-V makes, even where disks could be read directly. */
  readonly alwaysCopy?: boolean | undefined;
  readonly onStep?: StepHook | undefined;
}

/** The Hyper-V of this machine. `recover` comes first; its methods throw `TM2201` where Hyper-V is missing, `TM2113` when another agent uses the state folder. */
export function createHyperVProvider(options: HyperVProviderOptions): HostProvider {
  return new HyperVProvider(options);
}

interface State {
  readonly lock: FileLock;
  readonly records: Records;
  readonly restores: Restores;
}

class HyperVProvider implements HostProvider {
  readonly kind = 'hyperv';
  readonly #options: HyperVProviderOptions;
  readonly #powershell: PowerShell;
  readonly #core: Core;
  readonly #exports: Exports;
  #state: Promise<State> | undefined;

  constructor(options: HyperVProviderOptions) {
    this.#options = options;
    const { log, stateFolder } = options;
    this.#powershell = options.powershell ?? createPowerShell({ log });
    const background = new Background(log);
    const calls = createCalls(this.#powershell, { log, lifetime: background.ended, jobs: options.jobs });
    const timing = { ...defaultTiming, ...options.timing };
    const step = options.onStep ?? failAtStep;
    this.#core = {
      calls,
      records: async () => (await this.#opened()).records,
      inventory: new DiskInventory(calls),
      host: new HostFacts(calls),
      merges: new Merges(calls, log, timing),
      locks: new VmLocks(),
      background,
      log,
      step,
      timing,
      freeSpace: { ...defaultFreeSpace, ...options.freeSpace },
      guestBackupType: options.guestBackupType ?? 'copy',
      isExported: (checkpoint) => this.#exports.isOpen(checkpoint),
      closeExports: (checkpoint, reason) => this.#exports.closeOfCheckpoint(checkpoint, reason),
    };
    this.#exports = new Exports({
      calls,
      log,
      step,
      stateDirectory: stateFolder,
      alwaysCopy: options.alwaysCopy,
      canExclude: async (signal) => (await this.#core.host.get(signal)).hasExcludedVirtualHardDisks,
      filesSince: async (disk, since) => filesSince(await this.#core.records(), disk, since),
      checkpointDisks: (checkpoint, signal) => disksOfCheckpoint(this.#core, checkpoint, signal),
    });
  }

  readonly recover: HostProvider['recover'] = async (signal) => {
    const { restores } = await this.#opened();
    const parts = [
      (wanted: AbortSignal) => this.#exports.recover(wanted),
      (wanted: AbortSignal) => restores.recover(wanted),
    ];
    return recover(this.#core, parts, signal);
  };

  readonly describe: HostProvider['describe'] = async (signal) => toHostInfo(await this.#core.host.get(signal));

  readonly listVms: HostProvider['listVms'] = async (signal) => {
    const host = await this.#core.host.get(signal);
    const { vms, unreadable = [] } = await this.#core.calls.invoke(getVm, {}, signal);
    const found = await this.#core.inventory.describe(vms.flatMap(virtualPaths), signal);
    const infos: VmInfo[] = unreadable.map(unreadableVmInfo);
    for (const vm of vms) {
      const disks = toVmDisks(vm.id, vm.disks, found);
      infos.push(toVmInfo(vm, disks, rctBlockers(vm, disks, host)));
    }
    return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
  };

  readonly createCheckpoint: HostProvider['createCheckpoint'] = (request, job) =>
    createCheckpoint(this.#core, request, job);
  readonly listCheckpoints: HostProvider['listCheckpoints'] = (vm, signal) => listCheckpoints(this.#core, vm, signal);
  readonly removeCheckpoint: HostProvider['removeCheckpoint'] = (id, job) => removeCheckpoint(this.#core, id, job);
  readonly convertCheckpoint: HostProvider['convertCheckpoint'] = (id, job) => convertCheckpoint(this.#core, id, job);
  readonly listReferencePoints: HostProvider['listReferencePoints'] = (vm, signal) =>
    listReferencePoints(this.#core, vm, signal);
  readonly removeReferencePoint: HostProvider['removeReferencePoint'] = (id, trackingIds, job) =>
    removeReferencePoint(this.#core, id, trackingIds, job);

  readonly openExport: HostProvider['openExport'] = ({ checkpointId, excludeDisks }, job) =>
    this.#core.background.run(`Export of checkpoint ${checkpointId}`, job.signal, () =>
      this.#exports.open(checkpointId, excludeDisks, job),
    );
  readonly closeExport: HostProvider['closeExport'] = (id) => this.#exports.close(id);
  readonly listExtents: HostProvider['listExtents'] = (request, signal) => this.#exports.listExtents(request, signal);
  readonly openDisk: HostProvider['openDisk'] = async (exportId, diskId) => this.#exports.openDisk(exportId, diskId);

  readonly beginRestore: HostProvider['beginRestore'] = async (definition, signal) =>
    (await this.#opened()).restores.begin(definition, signal);
  readonly openRestoreDisk: HostProvider['openRestoreDisk'] = async (session, diskId) =>
    (await this.#opened()).restores.openDisk(session, diskId);
  readonly commitRestore: HostProvider['commitRestore'] = async (session, job) =>
    (await this.#opened()).restores.commit(session, job);
  readonly abortRestore: HostProvider['abortRestore'] = async (session) =>
    (await this.#opened()).restores.abort(session);

  async [Symbol.asyncDispose](): Promise<void> {
    await using end = new AsyncDisposableStack();
    const state = await this.#state?.catch(() => undefined);
    if (state !== undefined) end.defer(() => state.lock.release());
    if (this.#options.powershell === undefined) end.defer(() => this.#powershell[Symbol.asyncDispose]());
    end.defer(() => this.#core.background.end());
    if (state !== undefined) end.defer(() => state.restores.abortAll());
    end.defer(() => this.#exports.closeAll());
  }

  /** The state folder, read once and kept from other agents. What failed is tried again at the next call. */
  async #opened(): Promise<State> {
    const opening = this.#state ?? this.#open();
    this.#state = opening;
    try {
      return await opening;
    } catch (error) {
      if (this.#state === opening) this.#state = undefined;
      throw error;
    }
  }

  async #open(): Promise<State> {
    const { stateFolder, restoreFolder, log } = this.#options;
    await mkdir(stateFolder, { recursive: true });
    const lock = await acquireFileLock(join(stateFolder, 'agent.lock'), { timeoutMs: 5_000, onTimeout: inUse });
    try {
      const { calls, step } = this.#core;
      const restores = new Restores({
        calls,
        log,
        step,
        restoreDirectory: restoreFolder,
        records: await openRestoreRecords(join(stateFolder, 'restores'), log),
      });
      const records = await openRecords(stateFolder, log);
      const { background } = this.#core;
      background
        .run('Looking after free space', background.ended, () => watchSpace(this.#core, records))
        .catch((error: unknown) => log.log('info', 'Free space is not looked after any more.', error));
      background
        .run('Looking for old checkpoints', background.ended, () => watchOld(this.#core))
        .catch((error: unknown) => log.log('info', 'Old checkpoints are not looked for any more.', error));
      return { lock, restores, records };
    } catch (error) {
      lock.release();
      throw error;
    }
  }
}

function inUse(): TidemarkError {
  return new TidemarkError(errorCodes.hostLocked, 'Another agent uses the state folder of this host.', {
    hint: 'Only one agent serves a host: stop the other one.',
  });
}
