/** Files in a VM's folders that its state does not know: what a process leaves that dies in the middle of a change. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { temporarySuffix } from '../../base/files.ts';
import { memoryPath } from './layout.ts';
import { namesIn } from './store.ts';
import type { LockedVm } from './store.ts';

/** Removes differencing disks that the VM's state does not name, and temporary files: what a crash left. Returns how many. */
export async function removeOrphans(vm: LockedVm): Promise<number> {
  const { disks, checkpoint, merge } = vm.document;
  const named = new Set(disks.map((disk) => disk.leaf));
  for (const entry of [...(checkpoint?.disks ?? []), ...(merge?.checkpoint.disks ?? [])]) named.add(entry.leaf);
  const isOrphan = (file: string): boolean =>
    file.endsWith(temporarySuffix) || (file.endsWith('.avhdx') && !named.has(file));
  let removed = 0;
  for (const directory of [vm.directory, memoryPath(vm.root, vm.document.id)]) {
    for (const file of (await namesIn(directory)).filter(isOrphan)) {
      await rm(join(directory, file), { force: true });
      removed += 1;
    }
  }
  return removed;
}
