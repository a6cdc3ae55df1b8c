/** What must hold before a checkpoint is taken; each refusal says what to do. */
import { statfs } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

import { systemCode } from '../../../base/files.ts';
import { formatBytes } from '../../../base/format.ts';
import { oneLine } from '../../../base/one-line.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { Consistency } from '../../../protocol/model.ts';
import { rctBlockers } from '../inventory/blockers.ts';
import { getCheckpoint, getMerge, getVm, getVss } from '../commands/index.ts';
import type { HypervCheckpoint, HypervVm } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { toVmDisks, vmName, vmState } from '../inventory/describe.ts';
import type { VmDisk } from '../inventory/describe.ts';
import { ownRules } from '../paths.ts';
import { Polling } from '../polling.ts';

/** `OperationalStatus[1]` of a VM on which something is done. */
const operations: ReadonlyMap<number, string> = new Map([
  [32_768, 'a checkpoint is being taken'],
  [32_769, 'a checkpoint is being applied'],
  [32_770, 'a checkpoint is being deleted'],
  [32_771, 'it waits to be started'],
  [32_772, 'disks are being merged'],
  [32_773, 'it is being exported'],
  [32_774, 'it is being migrated'],
]);

/** A differencing disk that a checkpoint made. */
export const checkpointFile = /_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.avhdx$/i;

/** `Msvm_VssComponent.OperationalStatus[0]` with which asking the guest is of no use. */
const vssTroubles: ReadonlyMap<number, string> = new Map([
  [7, 'the integration services in the guest are of another version'],
  [12, 'the guest has no integration services, or has not started yet'],
  [13, 'the guest does not answer any more'],
]);

/** A VM that may be checkpointed now. */
export interface ReadyVm {
  readonly vm: HypervVm;
  readonly disks: readonly VmDisk[];
}

/** The VM. Throws `TM2101`. */
export async function findVm(core: Core, id: VmId, signal: AbortSignal): Promise<HypervVm> {
  const { vms, unreadable = [] } = await core.calls.invoke(getVm, { VmId: id }, signal);
  const found = vms.find((vm) => vm.id === id);
  if (found !== undefined) return found;
  const broken = unreadable.find((vm) => vm.id === id);
  if (broken !== undefined) {
    throw new TidemarkError(
      errorCodes.hostStateInvalid,
      `Hyper-V cannot read the settings of ${vmName(broken)}: ${oneLine(broken.message, 512)}`,
      {
        hint: 'Look at the VM in Hyper-V Manager, and at the folder of its configuration.',
      },
    );
  }
  throw new TidemarkError(errorCodes.vmNotFound, `There is no VM ${id} on this host.`, {
    hint: 'It was removed, or moved to another host.',
  });
}

/** Throws `TM2103` (no RCT), `TM2104` (another operation or checkpoint), `TM2105` (state), `TM2108` (VSS), `TM2115` (space), `TM2211` (unmerged disks). */
export async function preflight(core: Core, id: VmId, consistency: Consistency, signal: AbortSignal): Promise<ReadyVm> {
  const host = await core.host.get(signal);
  const vm = await idleVm(core, id, signal);
  const found = await core.inventory.describe(virtualPaths(vm), signal);
  const disks = toVmDisks(vm.id, vm.disks, found);
  const [blocker] = rctBlockers(vm, disks, host);
  if (blocker !== undefined) {
    throw new TidemarkError(errorCodes.vmNotEligible, `The VM ${vmName(vm)} cannot be backed up.`, { hint: blocker });
  }
  checkState(vm);
  const { checkpoints } = await core.calls.invoke(getCheckpoint, { VmId: id }, signal);
  if (checkpoints.length > 0) throw checkpointsThere(vm, checkpoints);
  await checkChain(core, vm, signal);
  for (const folder of foldersOf(vm)) await checkFreeSpace(core, vm, folder);
  if (consistency === 'application') await checkVss(core, vm, signal);
  return { vm, disks };
}

/** The files of the disks that are no physical ones. */
export function virtualPaths(vm: Pick<HypervVm, 'disks'>): readonly string[] {
  return vm.disks.filter((disk) => disk.kind === 'virtual').map((disk) => disk.path);
}

/** The VM as soon as nothing is done with it. Throws `TM2104` with what is. */
async function idleVm(core: Core, id: VmId, signal: AbortSignal): Promise<HypervVm> {
  const deadline = performance.now() + core.timing.busyMs;
  const polling = new Polling(core.timing.pollMs);
  for (;;) {
    const vm = await findVm(core, id, signal);
    const operation = vm.operationalStatus[1] ?? 0;
    if (operation === 0) return vm;
    if (performance.now() >= deadline) {
      const doing = operationText(operation);
      throw new TidemarkError(errorCodes.vmBusy, `The VM ${vmName(vm)} is busy: ${doing}.`, {
        hint: 'Wait until it is done, then try again. When it does not end, look at the VM in Hyper-V Manager.',
      });
    }
    await polling.pause(signal);
  }
}

/** What `OperationalStatus[1]` says is done with a VM. */
export function operationText(operation: number): string {
  return operations.get(operation) ?? `Hyper-V works on it (operation ${operation})`;
}

function checkState(vm: HypervVm): void {
  // Major failure and critical: paused because its storage is full or gone.
  if (vm.healthState >= 20) {
    throw new TidemarkError(
      errorCodes.vmWrongState,
      `The VM ${vmName(vm)} is in a critical state: its storage is full or lost.`,
      {
        hint: 'Free space on the volumes of its disks, or bring the storage back. Then resume the VM.',
      },
    );
  }
  if (vmState(vm) !== 'other') return;
  throw new TidemarkError(errorCodes.vmWrongState, `The VM ${vmName(vm)} is changing its state (${vm.enabledState}).`, {
    hint: 'Wait until it runs or is off, then try again.',
  });
}

function checkpointsThere(vm: HypervVm, checkpoints: readonly HypervCheckpoint[]): TidemarkError {
  const names = checkpoints.map(({ name }) => `"${oneLine(name, 120)}"`).join(', ');
  return new TidemarkError(
    errorCodes.vmBusy,
    `The VM ${vmName(vm)} has a recovery checkpoint already: ${oneLine(names, 1024)}.`,
    {
      hint: 'Another backup of this VM runs, or one was left behind. Wait for it, or let the product that made it remove it.',
    },
  );
}

/** The VM must not write to a differencing disk that no checkpoint accounts for. */
async function checkChain(core: Core, vm: HypervVm, signal: AbortSignal): Promise<void> {
  await core.merges.unlock(vm.id, signal);
  const status = await core.calls.invoke(getMerge, { VmId: vm.id }, signal);
  if (status.snapshots > 0) return;
  const leaves = status.activePaths.filter((path) => checkpointFile.test(path));
  if (leaves.length === 0) return;
  core.log.log('info', `Waiting for the disks of ${vmName(vm)} to be merged: ${leaves.join(', ')}`);
  try {
    await core.merges.wait(vm.id, { leaves, bases: [] }, () => undefined, signal);
  } catch (error) {
    if (!TidemarkError.is(error, errorCodes.mergeFailed)) throw error;
    throw new TidemarkError(
      errorCodes.checkpointHold,
      `The VM ${vmName(vm)} writes to ${oneLine(leaves.join(', '), 1024)}, but has no checkpoint to which that belongs.`,
      {
        hint: 'Do not restart or move the VM and take no checkpoint of it before somebody has looked: it may come back with an old state of its disks. The guide says how, under this code.',
        cause: error,
      },
    );
  }
}

/** The folders in which the files of the VM's disks lie. */
export function foldersOf(vm: HypervVm): ReadonlySet<string> {
  const rules = ownRules === 'windows' ? win32 : posix;
  return new Set(virtualPaths(vm).map((path) => rules.dirname(path)));
}

async function checkFreeSpace({ freeSpace, log }: Core, vm: HypervVm, folder: string): Promise<void> {
  let freeBytes: number;
  let totalBytes: number;
  try {
    const volume = await statfs(folder);
    freeBytes = volume.bavail * volume.bsize;
    totalBytes = volume.blocks * volume.bsize;
  } catch (error) {
    // A share that only Hyper-V itself may read: that is no reason against a checkpoint.
    log.log('info', `The free space of ${folder} is not known (${systemCode(error) ?? 'no code'}).`);
    return;
  }
  const space = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free in ${folder}`;
  if (freeBytes < freeSpace.refuseBytes) {
    throw new TidemarkError(errorCodes.hostDiskFull, `There is no room for a checkpoint of ${vmName(vm)}: ${space}.`, {
      hint: `While a backup runs, all that the VM writes needs room there. Free at least ${formatBytes(freeSpace.refuseBytes)}.`,
    });
  }
  const wanted = Math.max(freeSpace.warnBytes, (totalBytes * freeSpace.warnPercent) / 100);
  if (freeBytes < wanted) log.log('warning', `Little room for the checkpoint of ${vmName(vm)}: ${space}.`);
}

/** Asks whether the guest can bring its data to rest. Throws `TM2108`. */
async function checkVss(core: Core, vm: HypervVm, signal: AbortSignal): Promise<void> {
  if (vmState(vm) !== 'running') {
    throw new TidemarkError(
      errorCodes.consistencyUnavailable,
      `The VM ${vmName(vm)} does not run, so there is no guest that could make its data consistent.`,
      { hint: 'Ask for a crash-consistent checkpoint.' },
    );
  }
  const { vss } = await core.calls.invoke(getVss, { VmId: vm.id }, signal);
  const trouble = vssTrouble(vss);
  if (trouble === undefined) return;
  throw new TidemarkError(
    errorCodes.consistencyUnavailable,
    `The guest of ${vmName(vm)} cannot make its data consistent: ${trouble}.`,
    {
      hint: 'Switch on the integration service "Backup (volume shadow copy)" of the VM and let its guest run the integration services, or allow crash-consistent backups.',
    },
  );
}

/** Why asking the guest to bring its data to rest is of no use; undefined when it may do it. */
export function vssTrouble(
  vss: { readonly enabledState: number; readonly operationalStatus: readonly number[] } | null,
): string | undefined {
  if (vss === null) return 'it has no backup integration service';
  if (vss.enabledState === 3) return 'its backup integration service is switched off';
  return vssTroubles.get(vss.operationalStatus[0] ?? 2);
}
