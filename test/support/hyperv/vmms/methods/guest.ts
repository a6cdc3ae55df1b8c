/** Guests of the fake. */
import { randomInt } from 'node:crypto';

import { guestLoad } from '../../../../../server/agent/simulated/index.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';

/** How much of a disk a guest changes that writes by itself. */
const guestPercent = 4;

/** A guest that writes by itself: it does so while its VM runs, before each snapshot. */
export async function letGuestWrite(vmms: Vmms, vm: Vm): Promise<void> {
  if (!vmms.faults.now.guestWrites || vm.document.state !== 'running') return;
  for (const disk of vm.document.disks) {
    await guestLoad(vmms.world.root, vm.id, disk.id, { percent: guestPercent, seed: randomInt(2 ** 31) });
  }
}
