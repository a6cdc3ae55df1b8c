/** `ExportSystemDefinition`: what is asked for is checked here, the files are written by exported-files.ts (docs/hyperv.md). */
import { isAbsolute, join, resolve } from 'node:path';

import { hresults, invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import { writeExport } from '../exported-files.ts';
import type { ExportPlan } from '../exported-files.ts';
import type { WorkContext } from '../jobs.ts';
import { hiddenIn } from '../model/host.ts';
import { activeMachine, labelOf, openCheckpoint } from '../model/machine.ts';
import { keyText, vmReference } from '../model/references.ts';
import { diskInstanceId } from '../model/resources.ts';
import { textsOf } from '../wire.ts';
import type { Instance } from '../wire.ts';
import { operations } from '../vmms.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import {
  booleanProperty,
  embeddedArgument,
  numberProperty,
  pathProperty,
  textArgument,
  vmArgument,
} from './arguments.ts';
import type { Arguments } from './arguments.ts';
import type { Prepared } from './prepared.ts';
import { checkIdle, during, findSnapshot } from './snapshots.ts';
import type { Found } from './snapshots.ts';

const settingsClass = 'Msvm_VirtualSystemExportSettingData';

/** What `CopySnapshotConfiguration` says. */
const copies = { all: 0, none: 1, one: 2, oneForBackup: 3 } as const;

/** `ExportSystemDefinition`. */
export function exportSystemDefinition(vmms: Vmms, given: Arguments): Prepared {
  const vm = vmArgument(vmms, given, 'ComputerSystem');
  const directory = textArgument(given, 'ExportDirectory');
  const settings = embeddedArgument(given, 'ExportSettingData', settingsClass);
  if (!isAbsolute(directory)) throw invalidParameter(`'${directory}' is no full path.`);
  const plan = planOf(vmms, vm, resolve(directory), settings);
  checkIdle(vmms, vm);
  const run = async (context: WorkContext) => {
    if (vmms.faults.now.diskFull) {
      throw new MethodFailure(returnCodes.failed, hresults.diskFull, ['There is not enough space on the disk.']);
    }
    // VMMS believes that a backup product reads the disks now.
    if (!plan.copiesStorage) vmms.merges.lock(vm.id);
    await writeExport(vmms.world, plan, context);
    return [vmReference(vm.id)];
  };
  return {
    work: {
      type: 62,
      title: 'Exporting Virtual Machine',
      cancellable: true,
      run: (context) => during(vmms, vm, operations.exporting, () => run(context)),
    },
  };
}

function planOf(vmms: Vmms, vm: Vm, directory: string, settings: Instance): ExportPlan {
  const copy = numberProperty(settings, 'CopySnapshotConfiguration') ?? copies.all;
  if (!Object.values<number>(copies).includes(copy))
    throw invalidParameter('CopySnapshotConfiguration must be 0 to 3.');
  if ((numberProperty(settings, 'BackupIntent') ?? 0) > 1) throw invalidParameter('BackupIntent must be 0 or 1.');
  if ((numberProperty(settings, 'CaptureLiveState') ?? 0) > 2)
    throw invalidParameter('CaptureLiveState must be 0 to 2.');
  const needsSnapshot = copy === copies.one || copy === copies.oneForBackup;
  const snapshot = needsSnapshot ? snapshotOf(vmms, vm, settings) : undefined;
  const inFolder = booleanProperty(settings, 'CreateVmExportSubdirectory', true);
  return {
    vm,
    machine: { ...(snapshot?.snapshot.machine ?? activeMachine(vm)), name: labelOf(vm) },
    directory: inFolder ? join(directory, labelOf(vm)) : directory,
    copiesStorage: copy === copies.one || booleanProperty(settings, 'CopyVmStorage', true),
    excluded: excludedDisks(vmms, vm, copy, snapshot, settings),
    base: copy === copies.oneForBackup ? baseOf(vmms, vm, settings) : undefined,
    frozen: snapshot !== undefined && openCheckpoint(vm.document)?.id === snapshot.snapshot.id,
  };
}

/** The snapshot to export: one of this VM. */
function snapshotOf(vmms: Vmms, vm: Vm, settings: Instance): Found {
  const reference = pathProperty(vmms, settings, 'SnapshotVirtualSystem');
  const found = reference === undefined ? undefined : findSnapshot(vmms, keyText(reference, 'InstanceID'));
  if (found === undefined || found.vm.id !== vm.id)
    throw invalidParameter('SnapshotVirtualSystem is no snapshot of it.');
  return found;
}

/** The reference point to count from: one of this VM. */
function baseOf(vmms: Vmms, vm: Vm, settings: Instance): ExportPlan['base'] {
  const reference = pathProperty(vmms, settings, 'DifferentialBackupBase');
  if (reference === undefined) return undefined;
  const id = keyText(reference, 'InstanceID');
  const point = vm.document.referencePoints.find((entry) => entry.id === id);
  if (point === undefined) throw invalidParameter('DifferentialBackupBase is no reference point of it.');
  return point;
}

/** The places of the disks to leave out. One id that is not valid fails the whole call. */
function excludedDisks(
  vmms: Vmms,
  vm: Vm,
  copy: number,
  snapshot: Found | undefined,
  settings: Instance,
): ReadonlySet<number> {
  const ids = textsOf(settings, 'ExcludedVirtualHardDisks');
  const hidden = hiddenIn(vmms.world.host.build).includes(`${settingsClass}.ExcludedVirtualHardDisks`);
  if (ids.length > 0 && (copy === copies.all || hidden))
    throw invalidParameter('ExcludedVirtualHardDisks is not allowed.');
  const active = activeMachine(vm);
  const machines = snapshot === undefined ? [active] : [active, snapshot.snapshot.machine];
  return new Set(
    ids.map((id) => {
      const at = active.disks.findIndex((_, index) =>
        machines.some((machine) => diskInstanceId(machine, index) === id),
      );
      if (at < 0) throw invalidParameter(`'${id}' is no disk of it.`);
      return at;
    }),
  );
}
