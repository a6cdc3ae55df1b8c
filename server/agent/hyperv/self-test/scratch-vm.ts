/** The VM of a self-test: made as a restored one is, without a network adapter, and removed with everything that was ever made of it. */
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import { settle } from '../calls/calls.ts';
import type { HypervCalls } from '../calls/calls.ts';
import * as commands from '../commands/index.ts';
import type { HypervVm, Started } from '../commands/index.ts';
import type { Logger } from '../../../base/log.ts';
import { power, setState } from './host.ts';
import { scratchName } from './record.ts';
import { plannedVmOf } from '../restores/planned-vm.ts';

const memoryBytes = 512 * 1024 ** 2;
/** For a merge of disks that are nearly empty, milliseconds. */
const mergeMs = 120_000;
const pollMs = 100;

/** What a scratch VM is to be. */
export interface ScratchVm {
  readonly name: string;
  readonly folder: string;
  readonly disks: readonly string[];
  /** Empty leaves it to the host. */
  readonly version: string;
}

/** Makes the VM, off. Throws what Hyper-V refuses; a planned VM may be left then, which `removeScratch` removes. */
export async function makeScratch(calls: HypervCalls, vm: ScratchVm, signal: AbortSignal): Promise<VmId> {
  await mkdir(vm.folder, { recursive: true });
  const made = await calls.invoke(
    commands.startDefinition,
    {
      Name: vm.name,
      Generation: 2,
      Version: vm.version,
      ProcessorCount: 1,
      MemoryBytes: memoryBytes,
      Folder: vm.folder,
    },
    signal,
  );
  await calls.finish(made.outcome, { signal });
  const vmId = await plannedVmOf(calls, made, signal);
  if (vmId === null) {
    throw new TidemarkError(errorCodes.hypervOperationFailed, 'Hyper-V made a planned VM that cannot be found.');
  }
  const run = async (started: Promise<Started>): Promise<void> => calls.finish(await started, { signal });
  await run(calls.invoke(commands.startDiskAddition, { VmId: vmId, Generation: 2, Path: vm.disks }, signal));
  await run(calls.invoke(commands.startValidation, { VmId: vmId }, signal));
  await run(calls.invoke(commands.startRealization, { VmId: vmId }, signal));
  return vmId;
}

/** Where a removal tells what it could not do. */
export interface Removal {
  readonly calls: HypervCalls;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly left: string[];
}

/** Removes all VMs, real and planned, that have this name, which must be one of a self-test, and then the folder. What cannot be removed goes to `left`. */
export async function removeScratch(removal: Removal, name: string, folder: string): Promise<void> {
  if (!scratchName.test(name))
    throw new TidemarkError(errorCodes.internal, `${name} is no name of a VM of a self-test.`);
  const { calls, signal, left } = removal;
  const planned = (await calls.invoke(commands.findPlannedVm, {}, signal)).vms.filter((vm) => vm.name === name);
  for (const { id } of planned) {
    await attempt(removal, `the planned VM ${name}`, async () =>
      calls.finish(await calls.invoke(commands.startPlannedRemoval, { VmId: id }, signal), { signal }),
    );
  }
  const real = (await calls.invoke(commands.getVm, {}, signal)).vms.filter((vm) => vm.name === name);
  for (const vm of real) await attempt(removal, `the VM ${name}`, async () => removeVm(removal, vm));
  if (left.length === 0)
    await attempt(removal, folder, async () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
}

async function attempt({ left, log }: Removal, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.log('warning', `${what} could not be removed`, error);
    left.push(`${what}: ${TidemarkError.from(error).message}`);
  }
}

async function removeVm(removal: Removal, vm: HypervVm): Promise<void> {
  const { calls, signal } = removal;
  if (vm.enabledState !== power.off) await setState(calls, vm.id, power.off, signal);
  await tidy(removal, vm.id);
  await calls.finish(await calls.invoke(commands.startScratchRemoval, { VmId: vm.id }, signal), { signal });
}

/** Removes all recovery checkpoints and reference points of a scratch VM, and waits until its disks are merged. */
export async function tidy({ calls, log, signal }: Omit<Removal, 'left'>, vmId: VmId): Promise<void> {
  const { checkpoints } = await calls.invoke(commands.getCheckpoint, { VmId: vmId }, signal);
  for (const { id } of checkpoints) {
    await settle(
      calls,
      log,
      await calls.invoke(commands.startCheckpointRemoval, { CheckpointId: id, Unmarked: true }, signal),
    );
  }
  await merged(calls, vmId, signal);
  const { referencePoints } = await calls.invoke(commands.getReferencePoint, { VmId: vmId }, signal);
  for (const { id, trackingIds } of referencePoints.filter((point) => point.vmId === vmId)) {
    const args = { ReferencePointId: id, VmId: vmId, TrackingId: trackingIds };
    await settle(calls, log, await calls.invoke(commands.startReferencePointRemoval, args, signal));
  }
}

/** Waits until the VM writes to no differencing disk of a checkpoint. Throws `TM2210`. */
export async function merged(calls: HypervCalls, vmId: VmId, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + mergeMs;
  for (;;) {
    const { operation, activePaths, snapshots, disabled } = await calls.invoke(
      commands.getMerge,
      { VmId: vmId },
      signal,
    );
    const onLeaf = activePaths.some((path) => path.toLowerCase().endsWith('.avhdx'));
    if (operation === null && (!onLeaf || snapshots > 0)) return;
    if (disabled) await calls.finish(await calls.invoke(commands.enableMerge, { VmId: vmId }, signal), { signal });
    if (performance.now() > deadline) {
      throw new TidemarkError(errorCodes.mergeFailed, 'The disks of the scratch VM are not merged.');
    }
    await sleep(pollMs, undefined, { signal });
  }
}
