/** What another product made first of all on a VM, while ours failed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { checkpointOf, code, MiB, never, quiet } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';

test(
  'the first reference point of another product, made while our conversion failed, is neither counted from nor removed',
  { timeout: 180_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, {
      disks: [{ name: 'os', sizeBytes: 8 * MiB }],
      provider: { timing: { pollMs: 20, visibleMs: 300 } },
    });
    const { provider, vm, vmms } = site;
    const { id } = await checkpointOf(provider, vm);
    vmms.faults.set({
      jobMs: { ConvertToReferencePoint: 1_000 },
      jobEnds: { ConvertToReferencePoint: { state: 10, errorCode: 32_768, worked: false } },
    });
    const converting = provider.convertCheckpoint(id, quiet).catch((error: unknown) => error);
    while ((vmms.counts.get('invoke ConvertToReferencePoint') ?? 0) === 0) await sleep(5);
    await vmms.removeSnapshot(id);
    const foreign = await vmms.foreignReferencePoint(vm.id);
    assert.ok(code('checkpointFailed')(await converting));
    vmms.faults.reset();
    assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
    const points = await provider.listReferencePoints(undefined, never);
    assert.deepEqual(
      points.map((point) => [point.id, point.owner]),
      [[foreign, undefined]],
    );
  },
);
