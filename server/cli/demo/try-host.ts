/** The simulated host to try everything with: three VMs as one meets them, one of which works like a shop. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';

import { createVm, guestLoad, power } from '../../agent/simulated/index.ts';
import { formatBytes } from '../../base/format.ts';
import { DemoGuest, demoNames } from './guest.ts';

const mebi = 1024 * 1024;
/** How much of a disk without a file system its guest changes at a time, percent. */
const loadPercent = 1;

/** What the guest of a VM did. */
export interface TryWork {
  readonly vm: string;
  readonly disk: string;
  readonly writtenBytes: number;
  /** For people. */
  readonly text: string;
}

/** Makes the host: `shop` runs with files on its disk, `archive` is off, `legacy` is of a configuration version that change tracking refuses. */
export async function makeTryHost(root: string, signal: AbortSignal): Promise<readonly string[]> {
  using shop = await DemoGuest.create(root, signal);
  await shop.fill('written when the host was made');
  const others = [
    {
      name: 'archive',
      configVersion: '9.0',
      disks: [
        { name: 'os', sizeBytes: 256 * mebi },
        { name: 'records', sizeBytes: 1024 * mebi },
      ],
    },
    { name: 'legacy', configVersion: '5.0', disks: [{ name: 'os', sizeBytes: 256 * mebi }] },
  ];
  for (const vm of others) {
    await createVm(root, { ...vm, signal });
    for (const disk of vm.disks) await guestLoad(root, vm.name, disk.name, { percent: loadPercent, seed: 1, signal });
  }
  await power(root, 'archive', 'off', signal);
  return [demoNames.vm, ...others.map(({ name }) => name)];
}

/** Lets a guest work: the shop with its files, any other at random places of its disk. Throws what `guestWrite` throws. */
export async function workOnTryHost(root: string, vm: string, disk: string, signal: AbortSignal): Promise<TryWork> {
  if (vm !== demoNames.vm || disk !== demoNames.disk) {
    const { writtenBytes, changedBytes } = await guestLoad(root, vm, disk, { percent: loadPercent, signal });
    return {
      vm,
      disk,
      writtenBytes,
      text: `The guest changed ${formatBytes(changedBytes)} at random places of ${disk}.`,
    };
  }
  const scratch = `${root}.guest-${randomBytes(4).toString('hex')}.raw`;
  try {
    using guest = await DemoGuest.open(root, scratch, signal);
    const day = guest.daysWorked + 1;
    const { bytes, places } = await guest.work(day, `written on day ${day}`);
    const text = `The guest changed records of its database and wrote a document: ${formatBytes(bytes)} in ${places} places of ${disk}.`;
    return { vm, disk, writtenBytes: bytes, text };
  } finally {
    await rm(scratch, { force: true });
  }
}
