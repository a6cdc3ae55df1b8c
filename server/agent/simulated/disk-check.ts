/** Finds out whether somebody changed a disk behind the simulated host's back. */
import { diskFacts, settleDisk } from './disk-files.ts';
import type { DiskState } from './state.ts';
import type { LockedVm } from './store.ts';
import { DiskTracker } from './tracking/disk-tracker.ts';

/**
 * Compares each disk file with what is recorded of it. A disk that was written while its VM was off (another
 * DataWriteGuid, MS-VHDX 2.2.2), resized or replaced has lost its tracking: the next backup reads it in full.
 */
export async function checkDisks(vm: LockedVm): Promise<void> {
  // A merge is writing to the files; they are checked when it is done.
  if (vm.document.merge !== undefined) return;
  const off = vm.document.state !== 'running';
  for (const disk of vm.document.disks) {
    await settleDisk(vm.path(disk.leaf));
    const facts = await diskFacts(vm.path(disk.leaf));
    const now: DiskState = {
      ...disk,
      id: facts.id,
      sizeBytes: facts.sizeBytes,
      logicalSectorBytes: facts.logicalSectorBytes,
      physicalSectorBytes: facts.physicalSectorBytes,
      dataWriteGuid: off ? facts.dataWriteGuid : undefined,
    };
    const same = now.id === disk.id && now.sizeBytes === disk.sizeBytes && now.dataWriteGuid === disk.dataWriteGuid;
    if (same) continue;
    await DiskTracker.discard(vm.tracking(disk).paths);
    await vm.save({ disks: vm.document.disks.map((entry) => (entry.name === disk.name ? now : entry)) });
  }
}

/** The disks with the DataWriteGuid they are left with while the VM is off; none while a merge is going to change it. */
export async function stampedDisks(
  vm: LockedVm,
  settled = vm.document.merge === undefined,
): Promise<readonly DiskState[]> {
  const disks: DiskState[] = [];
  for (const disk of vm.document.disks) {
    if (settled) await settleDisk(vm.path(disk.leaf));
    const facts = settled ? await diskFacts(vm.path(disk.leaf)) : undefined;
    disks.push({ ...disk, dataWriteGuid: facts?.dataWriteGuid });
  }
  return disks;
}
