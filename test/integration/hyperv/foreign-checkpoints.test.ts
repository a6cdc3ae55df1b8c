/** A checkpoint of another product that has no reference points yet, after our call came to nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB, never } from '../../unit/simulated/support.ts';
import { hyperVSite, killedAt } from './support.ts';

const child = fileURLToPath(new URL('checkpoint-child.ts', import.meta.url));

test(
  'a checkpoint of a product without reference points is not taken for what a failed call of ours made',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks: [{ name: 'os', sizeBytes: 8 * MiB }] });
    const { vm, vmms } = site;
    await site.provider[Symbol.asyncDispose]();
    vmms.faults.set({ jobEnds: { CreateSnapshot: { state: 10, errorCode: 32_768, worked: false } } });
    await killedAt(site, 'checkpoint:started', [child, site.stateFolder, vm.id, 'create']);
    vmms.faults.reset();
    await vmms.mergesSettled();
    const foreign = await vmms.foreignSnapshot(vm.id);
    const provider = await site.restarted();
    await provider.recover(never);
    const [found] = await provider.listCheckpoints(undefined, never);
    assert.deepEqual([found?.id, found?.owner], [foreign, undefined]);
  },
);
