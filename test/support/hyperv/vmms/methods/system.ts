/** Settings of VMs and snapshots as a whole: names, and whether disks may merge (docs/hyperv.md). */
import { invalidParameter } from '../failures.ts';
import type { Work } from '../jobs.ts';
import { guidIn, snapshotsOf } from '../model/machine.ts';
import { instanceReference } from '../model/references.ts';
import { changeNotes } from '../notes.ts';
import type { VmNotes } from '../notes.ts';
import { textOf } from '../wire.ts';
import type { Instance } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import { embeddedArgument, numberProperty } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { modifyPlannedSettings } from './planned-settings.ts';
import type { Prepared } from './prepared.ts';
import { findSnapshot } from './snapshots.ts';

const settingsClass = 'Msvm_VirtualSystemSettingData';

/** `ModifySystemSettings`: the name of a VM or a snapshot, or the settings of a planned VM. */
export function modifySystemSettings(vmms: Vmms, given: Arguments): Prepared {
  const settings = embeddedArgument(given, 'SystemSettings', settingsClass);
  const id = textOf(settings, 'InstanceID');
  const run = changeOf(vmms, id, settings);
  if (run === undefined) throw invalidParameter('There are no such settings.');
  const work = { type: 4, title: 'Modifying Virtual Machine Settings', cancellable: false };
  return { work: { ...work, run: () => run().then(() => [instanceReference(settingsClass, id)]) } };
}

/** The change that settings with this InstanceID ask for; undefined when nothing has it. */
function changeOf(vmms: Vmms, id: string, settings: Instance): (() => Promise<void>) | undefined {
  const guid = guidIn(id);
  const planned = vmms.planned.get(guid);
  if (planned !== undefined) return () => modifyPlannedSettings(vmms, planned, settings);
  const name = textOf(settings, 'ElementName');
  const vm = vmms.world.vm(guid);
  if (vm !== undefined) return () => changeNotes(vmms.world.root, vm.id, (notes) => ({ ...notes, name }));
  const found = findSnapshot(vmms, id);
  return found && (() => renameSnapshot(vmms, found.vm, found.snapshot.id, name));
}

async function renameSnapshot(vmms: Vmms, vm: Vm, id: string, name: string): Promise<void> {
  const open = snapshotsOf(vm).find((snapshot) => snapshot.id === id);
  await changeNotes(vmms.world.root, vm.id, (notes): VmNotes => {
    const isPaper = notes.paperSnapshots.some((paper) => paper.id === id);
    if (isPaper) {
      const rename = notes.paperSnapshots.map((paper) => (paper.id === id ? { ...paper, name } : paper));
      return { ...notes, paperSnapshots: rename };
    }
    const others = notes.snapshotNames.filter((entry) => entry.id !== id);
    return { ...notes, snapshotNames: open === undefined ? others : [...others, { id: open.id, name }] };
  });
}

/** `ModifyDiskMergeSettings`: takes the merge lock, or gives it back; what waited merges then. */
export function modifyDiskMergeSettings(vmms: Vmms, given: Arguments): Prepared {
  const settings = embeddedArgument(given, 'SettingData', 'Msvm_DiskMergeSettingData');
  const vm = vmms.world.vm(guidIn(textOf(settings, 'InstanceID')));
  const state = numberProperty(settings, 'EnabledState');
  if (vm === undefined) throw invalidParameter('There are no such disk merge settings.');
  if (state !== 0 && state !== 1) throw invalidParameter('EnabledState must be 0 or 1.');
  const run: Work['run'] = async () => {
    if (state === 0) vmms.merges.lock(vm.id);
    else vmms.merges.unlock(vm.id);
    return [];
  };
  return { work: { type: 4, title: 'Modifying Disk Merge Settings', cancellable: false, run } };
}
