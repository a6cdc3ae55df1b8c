/** What only the self-test asks for: power, reference points without a snapshot, changes of disk files, and the end of its own VM. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { power } from '../../../../../server/agent/simulated/index.ts';
import { withVm } from '../../../../../server/agent/simulated/store.ts';
import { createVhdx, openVhdxWriter, openVirtualDisk, readVhdxInfo } from '../../../../../server/vhdx/index.ts';
import { invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import { wireOwner } from '../ledger.ts';
import { labelOf } from '../model/machine.ts';
import { keyText, vmReference } from '../model/references.ts';
import { operations } from '../vmms.ts';
import type { Vmms } from '../vmms.ts';
import type { Reference } from '../wire.ts';
import type { Vm } from '../world.ts';
import { bigArgument, numberArgument, textArgument, vmArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import type { Prepared } from './prepared.ts';
import { convert, pointReference } from './reference-points.ts';
import { checkIdle, during, findSnapshot, freeze } from './snapshots.ts';

/** A VM that a self-test made: the only kind that may be destroyed. */
const scratchName = /^tidemark-self-test-[0-9a-f]{12}$/;
const copyBytes = 1024 * 1024;

const stateOf = { 2: 'running', 3: 'off', 6: 'saved', 9: 'paused' } as const;

/** `Msvm_ComputerSystem.RequestStateChange`. */
export function requestStateChange(vmms: Vmms, given: Arguments, target: Reference): Prepared {
  const vm = vmms.world.vm(keyText(target, 'Name'));
  const requested = numberArgument(given, 'RequestedState');
  if (vm === undefined) throw invalidParameter('There is no such virtual machine.');
  if (requested !== 2 && requested !== 3 && requested !== 6 && requested !== 9) throw new MethodFailure(32_773);
  const wanted = stateOf[requested];
  if (vm.document.state === wanted) throw new MethodFailure(returnCodes.invalidState);
  if (wanted !== 'running' && vm.document.state === 'off') throw new MethodFailure(returnCodes.invalidState);
  const run = async () => {
    await changeState(vmms, vm, wanted);
    return [vmReference(vm.id)];
  };
  return { work: { type: 2, title: 'Changing State of Virtual Machine', cancellable: false, run } };
}

async function changeState(vmms: Vmms, vm: Vm, wanted: 'running' | 'off' | 'saved' | 'paused'): Promise<void> {
  const { root } = vmms.world;
  const write = (state: typeof wanted): Promise<void> =>
    withVm(root, vm.id, undefined, async (locked) => locked.save({ state }));
  const { state } = vm.document;
  if (wanted === 'running' && state === 'paused') return write('running');
  if (state === 'saved') await write('off');
  if (state === 'paused') await write('running');
  if (wanted === 'running') return power(root, vm.id, 'on');
  if (wanted === 'paused') return write('paused');
  if (state !== 'saved') await power(root, vm.id, 'off');
  if (wanted === 'saved') await write('saved');
}

/** `CreateReferencePoint`: 1 is one with change tracking, as the page of the method says; 2 too where the fault says so. */
export function createReferencePoint(vmms: Vmms, given: Arguments): Prepared {
  const vm = vmArgument(vmms, given, 'AffectedSystem');
  if (numberArgument(given, 'ReferencePointType') !== vmms.faults.now.trackingReferencePoint) {
    throw new MethodFailure(returnCodes.dmtfInvalidParameter);
  }
  checkIdle(vmms, vm);
  return {
    work: {
      type: 201,
      title: 'Creating Reference Point',
      cancellable: false,
      run: (context) =>
        during(vmms, vm, operations.creatingSnapshot, async () => {
          const found = findSnapshot(vmms, await freeze(vmms, vm, wireOwner, 'crash', context));
          if (found === undefined) throw new MethodFailure(returnCodes.failed);
          const id = await convert(vmms, found, undefined, context);
          vmms.ledger.made({ kind: 'reference point', id, vmId: vm.id });
          return [pointReference(id, vm.id)];
        }),
    },
  };
}

const storageWork = (title: string, run: () => Promise<void>): Prepared => ({
  work: {
    type: 0,
    title,
    className: 'Msvm_StorageJob',
    cancellable: false,
    run: async () => {
      await run();
      return [];
    },
  },
});

/** The file of a disk of a VM that is off; the file of a running one cannot be changed. */
function freeDisk(vmms: Vmms, given: Arguments): string {
  const path = textArgument(given, 'Path');
  const vm = vmms.world
    .vms()
    .find((entry) => entry.document.disks.some((disk) => join(entry.directory, disk.leaf) === path));
  if (vm === undefined || vm.document.state !== 'off')
    throw new MethodFailure(returnCodes.failed, 0x80070020, ['The file is in use.']);
  return path;
}

/** `ResizeVirtualHardDisk`. */
export function resizeVirtualHardDisk(vmms: Vmms, given: Arguments): Prepared {
  const path = freeDisk(vmms, given);
  const sizeBytes = Number(bigArgument(given, 'MaxInternalSize'));
  return storageWork('Resizing Virtual Hard Disk', async () => {
    const { diskId } = await readVhdxInfo(path);
    const larger = `${path}.larger`;
    await createVhdx(larger, { sizeBytes, diskId });
    await copyAllocated(path, larger);
    await rename(larger, path);
  });
}

async function copyAllocated(from: string, to: string): Promise<void> {
  await using source = await openVirtualDisk(from);
  await using writer = await openVhdxWriter(to);
  for await (const { offset, length } of source.allocated()) {
    for (let done = 0; done < length; done += copyBytes) {
      const part = Buffer.alloc(Math.min(copyBytes, length - done));
      await source.read(part, offset + done);
      await writer.write(part, offset + done);
    }
  }
}

/** `CompactVirtualHardDisk`: the file is written to, its content stays. */
export function compactVirtualHardDisk(vmms: Vmms, given: Arguments): Prepared {
  const path = freeDisk(vmms, given);
  return storageWork('Compacting Virtual Hard Disk', async () => {
    const { diskId, sizeBytes } = await readVhdxInfo(path);
    const smaller = `${path}.smaller`;
    await createVhdx(smaller, { sizeBytes, diskId });
    await copyAllocated(path, smaller);
    await rename(smaller, path);
  });
}

/** `DestroySystem` of a real VM, which must be one of a self-test; undefined for others. */
export function destroyScratch(vmms: Vmms, vm: Vm): Prepared | undefined {
  if (!scratchName.test(labelOf(vm)) || vm.document.state !== 'off') return undefined;
  checkIdle(vmms, vm);
  const run = async () => {
    await rm(vm.directory, { recursive: true });
    return [];
  };
  return { work: { type: 4, title: 'Destroying Virtual Machine', cancellable: false, run } };
}
