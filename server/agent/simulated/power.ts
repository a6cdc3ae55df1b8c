/** Switching VMs on and off, and power failures. */
import { mkdir } from 'node:fs/promises';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { checkDisks, stampedDisks } from './disk-check.ts';
import { memoryPath } from './layout.ts';
import { failAtStep } from './steps.ts';
import { removeFolder, withVm } from './store.ts';
import type { LockedVm } from './store.ts';
import type { PowerAction, VssBehaviour } from './api.ts';

/** Switches a VM on, off, or off as a power failure does. Throws `TM2101`, and `TM2105` when it is in that state already. */
export async function power(root: string, vm: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
  await withVm(root, vm, signal, async (locked) => {
    const running = locked.document.state === 'running';
    if (running === (action === 'on')) {
      throw new TidemarkError(
        errorCodes.vmWrongState,
        `The VM ${locked.document.name} is ${running ? 'running' : 'off'} already.`,
      );
    }
    switch (action) {
      case 'on':
        return powerOn(locked);
      case 'off':
        return powerOff(locked);
      case 'fail':
        return powerFail(locked);
    }
  });
}

async function powerOn(vm: LockedVm): Promise<void> {
  await checkDisks(vm);
  await mkdir(memoryPath(vm.root, vm.document.id), { recursive: true });
  for (const disk of vm.document.disks) {
    const tracker = await vm.tracker(disk);
    await tracker?.powerOn();
  }
  failAtStep('power-on:tracked');
  await vm.save({ state: 'running', disks: vm.document.disks.map((disk) => ({ ...disk, dataWriteGuid: undefined })) });
}

async function powerOff(vm: LockedVm): Promise<void> {
  for (const disk of vm.document.disks) {
    const tracker = await vm.tracker(disk);
    await tracker?.powerOff();
  }
  failAtStep('power-off:tracked');
  await vm.save({ state: 'off', lastShutdown: 'clean', disks: await stampedDisks(vm) });
  failAtStep('power-off:saved');
  await removeFolder(memoryPath(vm.root, vm.document.id));
}

async function powerFail(vm: LockedVm): Promise<void> {
  await vm.save({ state: 'off', lastShutdown: 'failed', disks: await stampedDisks(vm) });
  failAtStep('power-fail:saved');
  await removeFolder(memoryPath(vm.root, vm.document.id));
}

/** Says how the guest's VSS will answer; for tests. */
export async function setVssBehaviour(root: string, vm: string, vss: VssBehaviour): Promise<void> {
  await withVm(root, vm, undefined, async (locked) => locked.save({ vss }));
}
