/** The planned VM of a restore: made from Hyper-V's own configuration file where that can be used, else anew from the summary; then fitted to its new files. */
import { Mutex } from '../../../base/concurrency.ts';
import type { Logger } from '../../../base/log.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { DiskId, VmId } from '../../../protocol/ids.ts';
import type { VmConfiguration } from '../../../protocol/model.ts';
import type { RestoreDefinition } from '../../provider.ts';
import { settle, uncancelled } from '../calls/calls.ts';
import type { HypervCalls } from '../calls/calls.ts';
import type { Command } from '../commands/command.ts';
import * as commands from '../commands/index.ts';
import type { AttachedDisk, Started } from '../commands/index.ts';
import { diskNames, slotText } from '../inventory/disk-names.ts';
import { writeConfiguration } from './files.ts';
import type { RestoredDisk } from './files.ts';
import type { RestoreRecord, RestoreRecords } from './record.ts';
import type { StepHook } from '../steps.ts';
import { plannedVmOf } from './planned-vm.ts';
import type { PlannedVmCall } from './planned-vm.ts';

/** Hyper-V gives no VM less. */
const smallestMemoryBytes = 32 * 1024 ** 2;

const sameAddresses = 'with the addresses of the original VM they would reach its disks in the storage network.';
const onlyInFile =
  'what only the configuration file of Hyper-V holds is lost, such as a virtual TPM, firmware settings and the boot order.';

/** A VM that is being restored. */
export interface RestorePlan {
  readonly definition: RestoreDefinition;
  readonly folder: string;
  readonly disks: readonly RestoredDisk[];
}

/** A planned VM that can become a real one. */
interface MadeVm {
  readonly vmId: VmId;
  readonly record: RestoreRecord;
  /** In what it is not as the one that was backed up. */
  readonly warnings: readonly string[];
}

/** What a planned VM is made with. */
export interface PlannedVmHost {
  readonly calls: HypervCalls;
  readonly log: Logger;
  readonly records: RestoreRecords;
  readonly step: StepHook;
}

/** Makes planned VMs of one host: one at a time, so that a new one can be told from those that were there. */
export class PlannedVms {
  readonly #host: PlannedVmHost;
  readonly #making = new Mutex();

  constructor(host: PlannedVmHost) {
    this.#host = host;
  }

  /** A planned VM that Hyper-V found valid, the record that names it, and what it lacks. On a failure none is left. */
  async make(plan: RestorePlan, record: RestoreRecord, signal: AbortSignal): Promise<MadeVm> {
    const { log } = this.#host;
    const { name } = plan.definition;
    try {
      const imported = await this.#attempt(record, async () => this.#import(plan, record, signal));
      if (imported !== undefined) return imported;
      log.log('warning', `The backup of ${name} has no Hyper-V configuration file.`);
    } catch (error) {
      throwIfAborted(signal);
      if (this.#leftOver(record)) throw error;
      log.log('warning', `The configuration file of ${name} cannot be used on this host.`, error);
    }
    const warning = `${name} is defined anew from the summary of its settings: ${onlyInFile}`;
    log.log('warning', warning);
    const defined = await this.#attempt(record, async () => this.#define(plan, record, signal));
    return { ...defined, warnings: [warning] };
  }

  async #attempt<T>(record: RestoreRecord, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      try {
        await this.remove(record);
      } catch (failure) {
        this.#host.log.log('warning', 'A planned VM could not be removed; it is tried again later.', failure);
      }
      throw error;
    }
  }

  /** Whether what an earlier attempt made may still be there; the next one must not take its place in the record. */
  #leftOver({ key }: RestoreRecord): boolean {
    return this.#host.records.get(key)?.phase !== 'files';
  }

  /** Removes the planned VM of a restore, if it has one, and takes note. A real VM is never touched. */
  async remove({ key }: RestoreRecord): Promise<void> {
    const { records } = this.#host;
    const record = records.get(key);
    if (record === undefined || record.phase === 'files') return;
    for (const vmId of await this.#plannedOf(record)) {
      const outcome = await this.#host.calls.invoke(commands.startPlannedRemoval, { VmId: vmId }, uncancelled);
      await this.#host.calls.finish(outcome, { signal: uncancelled });
    }
    await records.put({ ...record, phase: 'files', before: [], jobId: undefined, plannedId: undefined });
  }

  /** The planned VMs that a restore has on the host now: the one it knows, else the new ones that are called as it. */
  async #plannedOf(record: RestoreRecord): Promise<readonly VmId[]> {
    const { calls } = this.#host;
    const known = record.plannedId ?? (await this.#resultOf(record));
    const { vms } = await calls.invoke(commands.findPlannedVm, {}, uncancelled);
    const names = [record.name, record.sourceName];
    const ours =
      known === undefined
        ? vms.filter(({ id, name }) => !record.before.includes(id) && names.includes(name))
        : vms.filter(({ id }) => id === known);
    return ours.map(({ id }) => id);
  }

  /** What came of the job that was to make the planned VM, when that can still be told. */
  async #resultOf({ jobId, before }: RestoreRecord): Promise<VmId | undefined> {
    if (jobId === undefined) return undefined;
    const { calls, log } = this.#host;
    await settle(calls, log, { state: 'started', jobId });
    const { vmId } = await calls.invoke(commands.resolvePlannedVm, { JobId: jobId, Before: before }, uncancelled);
    return vmId ?? undefined;
  }

  async #import(plan: RestorePlan, record: RestoreRecord, signal: AbortSignal): Promise<MadeVm | undefined> {
    const { definition, folder } = plan;
    const files = await writeConfiguration(folder, definition.configuration.files);
    if (files === undefined) return undefined;
    const planned = await this.#begin(
      record,
      commands.startImport,
      { DefinitionFile: files.definition, SnapshotFolder: files.snapshots, NewId: true },
      signal,
    );
    const warnings = await this.#fit(plan, planned.vmId, signal);
    await this.#run(commands.renamePlannedVm, { VmId: planned.vmId, Name: definition.name, Folder: folder }, signal);
    await this.#run(commands.startValidation, { VmId: planned.vmId }, signal);
    return { ...planned, warnings };
  }

  async #define(
    plan: RestorePlan,
    record: RestoreRecord,
    signal: AbortSignal,
  ): Promise<{ readonly vmId: VmId; readonly record: RestoreRecord }> {
    const { definition, folder } = plan;
    const { generation, processorCount, memoryBytes, configVersion, networkAdapters } = definition.configuration;
    const settings = {
      Name: definition.name,
      Generation: generation,
      ProcessorCount: processorCount,
      MemoryBytes: Math.max(memoryBytes, smallestMemoryBytes),
      Folder: folder,
    };
    const begin = async (Version: string) =>
      this.#begin(record, commands.startDefinition, { ...settings, Version }, signal);
    const planned = await this.#attempt(record, async () => begin(configVersion)).catch(async (error: unknown) => {
      throwIfAborted(signal);
      if (this.#leftOver(record)) throw error;
      this.#host.log.log(
        'warning',
        `This host makes no VM of the configuration version ${configVersion}: it takes its own.`,
        error,
      );
      return begin('');
    });
    const { vmId } = planned;
    const Path = inSlotOrder(plan).map(({ path }) => path);
    await this.#run(commands.startDiskAddition, { VmId: vmId, Generation: generation, Path }, signal);
    const Adapter = networkAdapters.map(({ name, switchName }) => ({
      name,
      switchName: definition.connectNetwork ? (switchName ?? '') : '',
    }));
    if (Adapter.length > 0) await this.#run(commands.startAdapterAddition, { VmId: vmId, Adapter }, signal);
    await this.#run(commands.startValidation, { VmId: vmId }, signal);
    return planned;
  }

  /** Has Hyper-V make a planned VM; the record is ahead of each step. */
  async #begin<A extends object>(
    record: RestoreRecord,
    command: Command<A, PlannedVmCall>,
    args: A,
    signal: AbortSignal,
  ): Promise<{ readonly vmId: VmId; readonly record: RestoreRecord }> {
    const { calls, records, step } = this.#host;
    return this.#making.run(async () => {
      throwIfAborted(signal);
      const { vms } = await calls.invoke(commands.findPlannedVm, {}, signal);
      let current: RestoreRecord = { ...record, phase: 'planning', before: vms.map(({ id }) => id) };
      await records.put(current);
      step('restore:planning');
      const made = await calls.invoke(command, args, uncancelled);
      const { outcome } = made;
      if (outcome.state === 'started') {
        current = await records.put({ ...current, jobId: outcome.jobId });
        step('restore:job');
      }
      await calls.finish(outcome, { signal });
      const vmId = await plannedVmOf(calls, made, uncancelled);
      if (vmId === null) throw notShown();
      current = await records.put({ ...current, phase: 'planned', plannedId: vmId });
      step('restore:planned');
      return { vmId, record: current };
    });
  }

  /** Gives an imported VM its new disks and takes everything else of the original VM away from it. Says what nobody would look for. */
  async #fit(plan: RestorePlan, vmId: VmId, signal: AbortSignal): Promise<readonly string[]> {
    const { calls, log } = this.#host;
    const warnings: string[] = [];
    const { disks, adapterIds, fibreChannel } = await calls.invoke(commands.getPlannedVm, { VmId: vmId }, signal);
    const matched = matchDisks(plan, disks);
    const foreign = disks.filter(({ instanceId }) => !matched.has(instanceId)).map(({ instanceId }) => instanceId);
    // Before anything else: they are the original VM's.
    if (foreign.length > 0) await this.#run(commands.startDiskRemoval, { VmId: vmId, InstanceId: foreign }, signal);
    const Disk = [...matched].map(([instanceId, path]) => ({ instanceId, path }));
    await this.#run(commands.startDiskChange, { VmId: vmId, Disk }, signal);
    await this.#run(commands.startDisconnection, { VmId: vmId }, signal);
    if (fibreChannel) {
      await this.#run(commands.startFibreChannelRemoval, { VmId: vmId }, signal);
      warnings.push(`The virtual Fibre Channel adapters of ${plan.definition.name} are left out: ${sameAddresses}`);
    }
    for (const warning of warnings) log.log('warning', warning);
    const { connectNetwork, configuration } = plan.definition;
    if (!connectNetwork) return warnings;
    const Adapter = configuration.networkAdapters.flatMap(({ switchName }, at) => {
      const instanceId = adapterIds[at];
      return switchName === null || instanceId === undefined ? [] : [{ instanceId, switchName }];
    });
    if (Adapter.length > 0) await this.#run(commands.startConnection, { VmId: vmId, Adapter }, signal);
    return warnings;
  }

  async #run<A extends object>(command: Command<A, Started>, args: A, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const outcome = await this.#host.calls.invoke(command, args, uncancelled);
    await this.#host.calls.finish(outcome, { signal });
  }
}

/**
 * The new file of each disk of an imported VM, by its InstanceID: told by the place where the disk was attached, and held against the names of the
 * files. Throws `TM6004` unless each disk of the backup has exactly one place.
 */
function matchDisks({ definition, disks }: RestorePlan, planned: readonly AttachedDisk[]): ReadonlyMap<string, string> {
  const slots = new Map<DiskId, string>(definition.configuration.disks.map(({ id, controller }) => [id, controller]));
  const names = diskNames(planned);
  const paths = new Map<string, string>();
  for (const { id, name, path } of disks) {
    const slot = slots.get(id);
    const places = planned.flatMap((disk, at) => (disk.kind === 'virtual' && slotText(disk) === slot ? [at] : []));
    const [at] = places;
    const place = at === undefined ? undefined : planned[at];
    if (at === undefined || place === undefined || places.length > 1)
      throw unmatched(name, 'is not attached where it was');
    const twin = disks.find((other) => other.id !== id && other.name === names[at]);
    if (twin !== undefined) throw unmatched(name, `is attached where the file of the disk ${twin.name} was`);
    paths.set(place.instanceId, path);
  }
  return paths;
}

function unmatched(name: string, what: string): TidemarkError {
  return new TidemarkError(
    errorCodes.restoreFailed,
    `In the configuration file of the backup the disk ${name} ${what}.`,
    {
      hint: 'Restore the disks alone and attach them to a new VM by hand.',
    },
  );
}

/** The disks as they were attached, so that the one to boot from comes first. */
function inSlotOrder({ definition, disks }: RestorePlan): readonly RestoredDisk[] {
  const slots: VmConfiguration['disks'] = definition.configuration.disks;
  const rank = (id: DiskId): number => {
    const at = slots.findIndex((slot) => slot.id === id);
    return at < 0 ? slots.length : at;
  };
  return disks.toSorted((a, b) => rank(a.id) - rank(b.id));
}

function notShown(): TidemarkError {
  return new TidemarkError(
    errorCodes.outcomeUnknown,
    'Hyper-V says that it made the planned VM, but does not show it.',
    {
      hint: 'Look for a new VM in Hyper-V Manager, then start the restore again.',
    },
  );
}
