/** `kill -9` of the agent at each step of its work on a checkpoint: the next agent knows what is ours, and can bring it to an end. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { HostProvider } from '../../../server/agent/provider.ts';
import { checkpointId } from '../../../server/protocol/ids.ts';
import type { ReferencePoint } from '../../../server/protocol/model.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { checkpointOf, MiB, never, owner, quiet, run } from '../../unit/simulated/support.ts';
import { answeringAfter, hyperVSite, killedAt } from './support.ts';
import type { HyperVSite } from './support.ts';

const child = fileURLToPath(new URL('checkpoint-child.ts', import.meta.url));

/** Runs the child until its failpoint kills it, and gives the provider of the next agent, which has recovered. */
async function afterDeath(site: HyperVSite, step: string, ...args: readonly string[]): Promise<HostProvider> {
  await killedAt(site, step, [child, site.stateFolder, site.vm.id, ...args]);
  const provider = await site.restarted();
  await provider.recover(never);
  return provider;
}

/** Everything of the killed run, as a daemon sees it. */
async function seen(provider: HostProvider): Promise<{ checkpoints: number; points: readonly ReferencePoint[] }> {
  const checkpoints = await provider.listCheckpoints(undefined, never);
  const points = await provider.listReferencePoints(undefined, never);
  for (const { owner: by, runId } of [...checkpoints, ...points]) assert.deepEqual([by, runId], [owner, run]);
  return { checkpoints: checkpoints.length, points };
}

/** Until the reference point is known for ours: Hyper-V may show it before it ties it to the job. */
async function untilConverted(provider: HostProvider): Promise<void> {
  while (!(await provider.listReferencePoints(undefined, never)).some((point) => point.owner === owner))
    await sleep(20);
}

/** Removes what the killed run left, as a daemon does; then nothing may be left. */
async function cleanUp(site: HyperVSite, provider: HostProvider, step: string): Promise<void> {
  for (const { id } of await provider.listCheckpoints(undefined, never)) await provider.removeCheckpoint(id, quiet);
  for (const { id } of await provider.listReferencePoints(undefined, never)) {
    await provider.removeReferencePoint(id, undefined, quiet);
  }
  await site.vmms.mergesSettled();
  await provider.listCheckpoints(undefined, never);
  assert.deepEqual(site.vmms.leftovers(), [], step);
  assert.deepEqual(await readdir(join(site.stateFolder, 'reference-points')), [], step);
  const records = await readdir(join(site.stateFolder, 'checkpoints'));
  // Whether the call that was cut off will still make one is known only some time later.
  assert.ok(records.length <= (step === 'checkpoint:recorded' ? 1 : 0), `${step}: ${records.join()}`);
}

const disks = [{ name: 'os', sizeBytes: 8 * MiB }];

const steps: Readonly<Record<'create' | 'remove' | 'convert' | 'forget', readonly string[]>> = {
  create: ['recorded', 'started', 'job-done', 'resolved', 'named', 'done'].map((step) => `checkpoint:${step}`),
  remove: ['recorded', 'started', 'gone', 'merged'].map((step) => `remove:${step}`),
  convert: ['recorded', 'started', 'converted', 'point-recorded', 'merged'].map((step) => `convert:${step}`),
  forget: ['removing', 'removed'].map((step) => `reference-point:${step}`),
};

for (const [action, failpoints] of Object.entries(steps)) {
  test(`the agent killed while it works on a checkpoint: ${action}`, { timeout: 400_000 }, async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks });
    let { provider } = site;
    for (const step of failpoints) {
      const made = action === 'create' ? undefined : await checkpointOf(provider, site.vm);
      const point =
        action === 'forget' && made !== undefined ? await provider.convertCheckpoint(made.id, quiet) : undefined;
      await provider[Symbol.asyncDispose]();
      provider = await afterDeath(site, step, action, point?.id ?? made?.id ?? '');
      // Hyper-V goes on with what the dead agent asked for: the checkpoint may come only now.
      if (step === 'checkpoint:started') while ((await seen(provider)).checkpoints === 0) await sleep(20);
      if (step === 'convert:started') await untilConverted(provider);
      const { checkpoints, points } = await seen(provider);
      if (action === 'create') assert.equal(checkpoints, step === 'checkpoint:recorded' ? 0 : 1, step);
      if (action === 'convert') {
        assert.equal(checkpoints + points.length, 1, `${step}: the one or the other, and known for ours`);
        for (const { disks: tracked } of points) assert.equal(tracked[0]?.diskId, site.vm.disks[0]?.id);
      }
      await cleanUp(site, provider, step);
    }
  });
}

test(
  'a checkpoint that another product takes after an agent died is not taken for ours',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks, provider: { timing: { pollMs: 20, unansweredMs: 0 } } });
    await site.provider[Symbol.asyncDispose]();
    // It died before it asked for one: the next agent finds none, and forgets that one was wanted.
    const provider = await afterDeath(site, 'checkpoint:recorded', 'create');
    const foreign = await site.vmms.foreignSnapshot(site.vm.id);
    const [found] = await provider.listCheckpoints(undefined, never);
    assert.deepEqual([found?.id, found?.owner], [foreign, undefined]);
  },
);

test(
  'of what an agent left that died, only what Hyper-V ties to its calls is taken for ours beside another product',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks });
    const { vm, vmms } = site;
    await vmms.foreignReferencePoint(vm.id);
    await site.provider[Symbol.asyncDispose]();
    let provider = await afterDeath(site, 'checkpoint:started', 'create');
    while ((await provider.listCheckpoints(undefined, never)).length === 0) await sleep(20);
    assert.equal((await provider.listCheckpoints(undefined, never))[0]?.runId, run, 'known by its job');
    for (const { id } of await provider.listCheckpoints(undefined, never)) await provider.removeCheckpoint(id, quiet);

    // Its call came to nothing, and nothing says so: the checkpoint is another product's, and has no name.
    vmms.faults.set({ jobEnds: { CreateSnapshot: { state: 10, errorCode: 32_768, worked: false } } });
    await provider[Symbol.asyncDispose]();
    await killedAt(site, 'checkpoint:started', [child, site.stateFolder, vm.id, 'create']);
    vmms.faults.reset();
    await vmms.mergesSettled();
    const foreign = await vmms.foreignSnapshot(vm.id);
    provider = await site.restarted();
    await provider.recover(never);
    const [found] = await provider.listCheckpoints(undefined, never);
    assert.deepEqual([found?.id, found?.owner], [foreign, undefined]);
    await assert.rejects(provider.removeCheckpoint(checkpointId(foreign, 'id'), quiet));
    assert.equal(vmms.foreign().length, 2);
  },
);

test(
  'a conversion that goes on after the agent died makes a reference point that is known for ours',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks });
    let { provider } = site;
    // The second time it is there only some time after the job's end.
    for (const visibleAfterMs of [0, 1_000]) {
      const made = await checkpointOf(provider, site.vm);
      await provider[Symbol.asyncDispose]();
      site.vmms.faults.set({ stuckJobs: ['ConvertToReferencePoint'], visibleAfterMs });
      provider = await afterDeath(site, 'convert:started', 'convert', made.id);
      assert.deepEqual(await seen(provider), { checkpoints: 1, points: [] }, 'it has only begun');
      site.vmms.faults.set({ stuckJobs: [] });
      await untilConverted(provider);
      const { points } = await seen(provider);
      assert.equal(points[0]?.disks[0]?.diskId, site.vm.disks[0]?.id);
      site.vmms.faults.reset();
      await cleanUp(site, provider, 'convert:started');
    }
  },
);

test(
  'a checkpoint that comes while the list is made is not listed as that of nobody',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks });
    const { powershell, vmms } = site;
    await site.provider[Symbol.asyncDispose]();
    vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
    await killedAt(site, 'checkpoint:started', [child, site.stateFolder, site.vm.id, 'create']);
    let waits = true;
    const provider = await site.restarted({
      powershell: answeringAfter(powershell, 'Get-TidemarkCheckpoint', async () => {
        if (!waits) return;
        waits = false;
        assert.deepEqual(vmms.leftovers(), [], 'it is not there yet');
        vmms.faults.set({ stuckJobs: [] });
        while (vmms.leftovers().length === 0) await sleep(20);
      }),
    });
    let listed = await provider.listCheckpoints(undefined, never);
    while (listed.length === 0) listed = await provider.listCheckpoints(undefined, never);
    assert.deepEqual([listed.length, listed[0]?.owner, listed[0]?.runId], [1, owner, run]);
    vmms.faults.reset();
    await cleanUp(site, provider, 'checkpoint:started');
  },
);

test(
  'the agent killed while it takes a checkpoint back leaves one that is known for ours',
  { timeout: 200_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { disks });
    await site.provider[Symbol.asyncDispose]();
    // Its job failed, and yet it is there.
    site.vmms.faults.set({ jobEnds: { CreateSnapshot: { state: 10, errorCode: 32_768, worked: true } } });
    const provider = await afterDeath(site, 'checkpoint:undoing', 'create');
    site.vmms.faults.reset();
    assert.equal((await seen(provider)).checkpoints, 1);
    await cleanUp(site, provider, 'checkpoint:undoing');
  },
);
