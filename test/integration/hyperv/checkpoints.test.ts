/** What can go wrong with checkpoints and reference points on a Hyper-V host, row by row (docs/hyperv.md), through real PowerShell and the fake. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { HyperVProviderOptions } from '../../../server/agent/hyperv/index.ts';
import type { HostProvider } from '../../../server/agent/provider.ts';
import { guestWrite, migrate, initHost, power } from '../../../server/agent/simulated/index.ts';
import { checkpointId, referencePointId, trackingId } from '../../../server/protocol/ids.ts';
import type { Checkpoint } from '../../../server/protocol/model.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  MiB,
  never,
  owner,
  quiet,
  run,
} from '../../unit/simulated/support.ts';
import { answeringAfter, fastJobs, hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

/** Nothing is waited for long. */
const impatient = {
  timing: { ...fastJobs.timing, busyMs: 300, visibleMs: 3_000, mergeStartMs: 2_000, mergeStuckMs: 2_000 },
} as const satisfies Partial<HyperVProviderOptions>;

/** A test that is skipped where there is no PowerShell. */
function scenario(
  name: string,
  body: (site: HyperVSite, t: TestContext) => Promise<void>,
  options: Parameters<typeof hyperVSite>[1] = {},
): void {
  test(name, { timeout: 180_000 }, async (t) => {
    if (skipWithoutDotnet(t)) return;
    const provider = { ...impatient, ...options.provider };
    await body(await hyperVSite(t, { disks: [{ name: 'os', sizeBytes: 8 * MiB }], ...options, provider }), t);
  });
}

/** Nothing of ours is left on the host, and nothing is remembered. */
async function assertNothingLeft({ provider, vmms, stateFolder }: HyperVSite, what: string): Promise<void> {
  await vmms.mergesSettled();
  assert.deepEqual(await provider.listCheckpoints(undefined, never), [], what);
  assert.deepEqual(vmms.leftovers(), [], what);
  assert.deepEqual(await readdir(join(stateFolder, 'checkpoints')), [], what);
}

const points = (provider: HostProvider) => provider.listReferencePoints(undefined, never);

scenario('a checkpoint that cannot be taken leaves nothing, and its code says what to do', async (site) => {
  const { provider, vm, vmms } = site;
  const failed = { state: 10, errorCode: 32_768, worked: false };
  const cases = [
    [{ returnCodes: { CreateSnapshot: 32_768 } }, 'checkpointFailed'],
    [{ jobEnds: { CreateSnapshot: failed } }, 'checkpointFailed'],
    [{ jobEnds: { CreateSnapshot: { ...failed, hresult: 0x8004_23f4 } } }, 'consistencyUnavailable'],
    [{ jobEnds: { CreateSnapshot: { ...failed, hresult: 0x8007_052f } } }, 'logonRightMissing'],
    [{ diskFull: true }, 'hostDiskFull'],
    // The job says that it failed, but the checkpoint is there.
    [{ jobEnds: { CreateSnapshot: { ...failed, worked: true } } }, 'checkpointFailed'],
  ] as const;
  for (const [faults, expected] of cases) {
    vmms.faults.set(faults);
    await assert.rejects(checkpointOf(provider, vm, 'application'), code(expected), expected);
    vmms.faults.reset();
    await assertNothingLeft(site, JSON.stringify(faults));
  }
});

scenario('a guest whose VSS failed is asked once more, and no third time', async (site) => {
  const { vm, vmms, stateFolder } = site;
  const asked = (): number => vmms.counts.get('invoke CreateSnapshot') ?? 0;
  const guestFails = { state: 10, errorCode: 32_768, hresult: 0x8004_23f4, worked: false };
  vmms.faults.set({ jobEnds: { CreateSnapshot: guestFails } });
  const before = asked();
  await assert.rejects(checkpointOf(site.provider, vm, 'application'), code('consistencyUnavailable'));
  assert.equal(asked(), before + 2);

  const provider = await site.restarted({ timing: { pollMs: 20, guestRetryMs: 1_500 } });
  const taking = checkpointOf(provider, vm, 'application');
  while (asked() === before + 2) await sleep(5);
  while ((await readdir(join(stateFolder, 'checkpoints'))).length > 0) await sleep(5);
  vmms.faults.reset();
  const checkpoint = await taking;
  assert.equal(checkpoint.consistency, 'application');
  assert.equal(asked(), before + 4);
  await provider.removeCheckpoint(checkpoint.id, quiet);
  await assertNothingLeft({ ...site, provider }, 'after the second try');
});

scenario('what Hyper-V shows late, or does not tie to its job, is found all the same', async (site) => {
  const { provider, vm, vmms } = site;
  for (const faults of [
    { visibleAfterMs: 200 },
    { noAffectedElements: true },
    { returns: { CreateSnapshot: 'done', ConvertToReferencePoint: 'done', DestroySnapshot: 'done' } },
  ] as const) {
    vmms.faults.set(faults);
    const checkpoint = await checkpointOf(provider, vm);
    assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
    const point = await provider.convertCheckpoint(checkpoint.id, quiet);
    assert.equal(point.disks[0]?.diskId, vm.disks[0]?.id);
    await provider.removeReferencePoint(point.id, undefined, quiet);
    await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
    vmms.faults.reset();
    await assertNothingLeft(site, JSON.stringify(faults));
  }
});

scenario(
  'a list of reference points that is older than a conversion does not make anybody forget what it made',
  async (site) => {
    const { vm, powershell } = site;
    const listed = Promise.withResolvers<void>();
    const converted = Promise.withResolvers<void>();
    let isHeld = false;
    const provider = await site.restarted({
      powershell: answeringAfter(powershell, 'Get-TidemarkReferencePoint', async () => {
        if (!isHeld) return;
        isHeld = false;
        listed.resolve();
        await converted.promise;
      }),
    });
    const checkpoint = await checkpointOf(provider, vm);
    isHeld = true;
    const listing = provider.listReferencePoints(undefined, never);
    await listed.promise;
    const point = await provider.convertCheckpoint(checkpoint.id, quiet);
    converted.resolve();
    assert.deepEqual(await listing, []);
    assert.deepEqual(await provider.listReferencePoints(undefined, never), [point]);
    await provider.removeReferencePoint(point.id, undefined, quiet);
    await assertNothingLeft({ ...site, provider }, 'after the old list');
  },
);

scenario('cancelling answers at once in every phase, and what was begun is taken back behind it', async (site) => {
  const { provider, vm, vmms } = site;
  const cancelled = async (work: (job: typeof quiet) => Promise<unknown>, after: () => boolean): Promise<void> => {
    const abort = new AbortController();
    const working = work({ signal: abort.signal, progress: () => undefined });
    working.catch(() => undefined);
    for (let waited = 0; !after() && waited < 20_000; waited += 10) await sleep(10);
    abort.abort();
    const first = await Promise.race([working.catch((error: unknown) => error), sleep(5_000).then(() => 'late')]);
    assert.ok(code('cancelled')(first), String(first));
  };
  const called = (method: string) => {
    const before = vmms.counts.get(`invoke ${method}`) ?? 0;
    return () => (vmms.counts.get(`invoke ${method}`) ?? 0) > before;
  };
  await cancelled(
    (job) => checkpointOf(provider, vm, 'crash', job),
    () => true,
  );
  for (const stuckJobs of [['CreateSnapshot'], []]) {
    vmms.faults.set({ stuckJobs, jobMs: { CreateSnapshot: 400 } });
    await cancelled((job) => checkpointOf(provider, vm, 'crash', job), called('CreateSnapshot'));
    vmms.faults.reset();
    // Under the lock of the VM: what is behind it has ended then.
    await provider.removeCheckpoint((await patient(() => checkpointOf(provider, vm))).id, quiet);
    await assertNothingLeft(site, `a checkpoint, ${stuckJobs.join()}`);
  }
  const checkpoint = await checkpointOf(provider, vm);
  vmms.faults.set({ jobMs: { ConvertToReferencePoint: 400 }, cancellable: { ConvertToReferencePoint: false } });
  await cancelled((job) => provider.convertCheckpoint(checkpoint.id, job), called('ConvertToReferencePoint'));
  vmms.faults.reset();
  await provider.removeCheckpoint((await patient(() => checkpointOf(provider, vm))).id, quiet);
  assert.deepEqual(await points(provider), [], 'nobody waits for this reference point any more');
  const again = await checkpointOf(provider, vm);
  vmms.faults.set({ jobMs: { DestroySnapshot: 400 } });
  await cancelled((job) => provider.removeCheckpoint(again.id, job), called('DestroySnapshot'));
  vmms.faults.reset();
  await provider.removeCheckpoint((await patient(() => checkpointOf(provider, vm))).id, quiet);
  await assertNothingLeft(site, 'the removal went on');
});

/** What is refused while the operation before is being taken back. */
async function patient<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 40) throw error;
      await sleep(100);
    }
  }
}

scenario('a guest that cannot make its data consistent is not asked in vain', async (site) => {
  const { provider, vm, vmms } = site;
  for (const trouble of [
    { noVss: true },
    { vssEnabledState: 3 },
    { vssOperationalStatus: [7] },
    { vssOperationalStatus: [12] },
    { vssOperationalStatus: [13] },
  ]) {
    await vmms.describe(vm.id, { noVss: false, vssEnabledState: 2, vssOperationalStatus: [2], ...trouble });
    await assert.rejects(checkpointOf(provider, vm, 'application'), code('consistencyUnavailable'));
  }
  await vmms.describe(vm.id, { noVss: false, vssEnabledState: 2, vssOperationalStatus: [2] });
  assert.equal(vmms.counts.get('invoke CreateSnapshot') ?? 0, 0);
  await power(site.root, 'web', 'off');
  await assert.rejects(checkpointOf(provider, vm, 'application'), code('consistencyUnavailable'));
  assert.equal((await checkpointOf(provider, vm, 'crash')).consistency, 'crash');
});

scenario('states, other operations and a full volume refuse a checkpoint, each in its own words', async (site) => {
  const { provider, vm, vmms } = site;
  const cases = [
    [{ enabledState: 32_781, healthState: 25 }, 'vmWrongState', /storage is full or lost/],
    [{ enabledState: 10, healthState: 5 }, 'vmWrongState', /changing its state/],
    [{ enabledState: 2, healthState: 5, operationalStatus: [11, 32_774] }, 'vmBusy', /migrated/],
    [{ operationalStatus: [2], replicationMode: 2 }, 'vmNotEligible', /cannot be backed up/],
  ] as const;
  for (const [notes, expected, words] of cases) {
    await vmms.describe(vm.id, {
      ...notes,
      ...('operationalStatus' in notes && { operationalStatus: [...notes.operationalStatus] }),
    });
    await assert.rejects(
      checkpointOf(provider, vm),
      (error: unknown) => code(expected)(error) && words.test(String(error)),
    );
  }
  await vmms.describe(vm.id, { replicationMode: 0 });
  const full = await site.restarted({ freeSpace: { refuseBytes: Number.MAX_SAFE_INTEGER } });
  await assert.rejects(checkpointOf(full, vm), code('hostDiskFull'));
  const wary = await site.restarted({ freeSpace: { warnBytes: Number.MAX_SAFE_INTEGER } });
  await checkpointOf(wary, vm);
  assert.match(site.lines.join('\n'), /Little room for the checkpoint of web/);
});

scenario('what other products made is seen, said, and never removed', async (site) => {
  const { provider, vm, vmms } = site;
  const foreignPoint = await vmms.foreignReferencePoint(vm.id);
  const foreign = await vmms.foreignSnapshot(vm.id);
  await assert.rejects(
    checkpointOf(provider, vm),
    (error: unknown) => code('vmBusy')(error) && /already/.test(String(error)),
  );
  const [seen] = await provider.listCheckpoints(vm.id, never);
  assert.deepEqual([seen?.id, seen?.owner, seen?.runId], [foreign, undefined, undefined]);
  assert.equal((await provider.listVms(never))[0]?.checkpointCount, 1);
  const id = checkpointId(foreign, 'id');
  await assert.rejects(provider.removeCheckpoint(id, quiet), code('notOwnObject'));
  await assert.rejects(provider.convertCheckpoint(id, quiet), code('notOwnObject'));
  const point = (await points(provider)).find((one) => one.id === foreignPoint);
  assert.equal(point?.owner, undefined);
  const wrong = [undefined, [], [trackingId('another', 'id')]];
  for (const proof of wrong) {
    await assert.rejects(
      provider.removeReferencePoint(referencePointId(foreignPoint, 'id'), proof, quiet),
      code('referencePointNotFound'),
    );
  }
  assert.equal(vmms.foreign().length, 2);
  await vmms.removeSnapshot(foreign);
  await vmms.mergesSettled();
  const next = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  await provider.removeReferencePoint(next.id, undefined, quiet);
  assert.equal(vmms.foreign().length, 1);
});

scenario(
  'a merge that does not come to an end fails the removal, is remembered, and goes on when it can',
  async (site) => {
    const { provider, vm, vmms } = site;
    for (const merge of ['waits', 'fails'] as const) {
      const checkpoint = await checkpointOf(provider, vm);
      vmms.faults.set({ merge });
      await assert.rejects(provider.removeCheckpoint(checkpoint.id, quiet), code('mergeFailed'), merge);
      assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint], 'it still costs the VM a disk');
      await assert.rejects(checkpointOf(provider, vm), code('checkpointHold'));
      vmms.faults.reset();
      await provider.removeCheckpoint(checkpoint.id, quiet);
      await assert.rejects(provider.removeCheckpoint(checkpoint.id, quiet), code('checkpointNotFound'));
      await assertNothingLeft(site, merge);
    }
    const checkpoint = await checkpointOf(provider, vm);
    vmms.faults.set({ merge: 'waits' });
    const point = await provider.convertCheckpoint(checkpoint.id, quiet);
    assert.deepEqual(await points(provider), [point], 'the reference point is good, whatever the merge does');
    assert.deepEqual(await provider.listCheckpoints(vm.id, never), []);
    await assert.rejects(checkpointOf(provider, vm), code('checkpointHold'));
    vmms.faults.reset();
    await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  },
);

scenario(
  'a conversion that fails leaves the checkpoint; one that only says so is believed no more than the host',
  async (site) => {
    const { provider, vm, vmms } = site;
    const checkpoint = await checkpointOf(provider, vm);
    const jobEnd = { state: 10, errorCode: 32_768, worked: false };
    vmms.faults.set({ jobEnds: { ConvertToReferencePoint: jobEnd } });
    await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet));
    assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
    vmms.faults.set({ jobEnds: { ConvertToReferencePoint: { ...jobEnd, worked: true } } });
    const point = await provider.convertCheckpoint(checkpoint.id, quiet);
    vmms.faults.reset();
    assert.deepEqual(await points(provider), [point]);
    await provider.removeReferencePoint(point.id, undefined, quiet);
    await assertNothingLeft(site, 'converted');
  },
);

scenario(
  'tracking ids that cannot be told apart make no reference point, and leave none',
  async (site) => {
    const { provider, vm, vmms } = site;
    vmms.faults.set({ referencePointArraysDiffer: true });
    const checkpoint = await checkpointOf(provider, vm);
    await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet), code('checkpointFailed'));
    assert.deepEqual(await points(provider), []);
    vmms.faults.reset();
    await assertNothingLeft(site, 'arrays');
  },
  { disks: ['os', 'data'].map((name) => ({ name, sizeBytes: 8 * MiB })) },
);

scenario(
  'a reference point that another product made while ours failed is neither counted from nor removed',
  async (site) => {
    const { provider, vm, vmms } = site;
    await vmms.foreignReferencePoint(vm.id);
    const { id } = await checkpointOf(provider, vm);
    const failed = { state: 10, errorCode: 32_768, worked: false };
    vmms.faults.set({
      jobMs: { ConvertToReferencePoint: 1_000 },
      jobEnds: { ConvertToReferencePoint: failed },
      noAffectedElements: true,
    });
    const converting = provider.convertCheckpoint(id, quiet).catch((error: unknown) => error);
    while ((vmms.counts.get('invoke ConvertToReferencePoint') ?? 0) === 0) await sleep(5);
    await vmms.removeSnapshot(id);
    await vmms.foreignReferencePoint(vm.id);
    assert.ok(code('checkpointFailed')(await converting));
    vmms.faults.reset();
    assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
    assert.deepEqual(
      (await points(provider)).map((point) => point.owner),
      [undefined, undefined],
    );
    assert.equal(vmms.foreign().length, 2);
    await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  },
);

scenario('a reference point that somebody else removed is forgotten', async (site) => {
  const { provider, vm, vmms, stateFolder } = site;
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  await vmms.loseReferencePoint(point.id);
  await assert.rejects(provider.removeReferencePoint(point.id, undefined, quiet), code('referencePointNotFound'));
  assert.deepEqual(await points(provider), []);
  assert.deepEqual(await readdir(join(stateFolder, 'reference-points')), []);
});

scenario(
  'what an agent without records finds, as after a migration, is paired with the disks of the VM, and goes only with proof',
  async (site) => {
    const { provider, vm, root } = site;
    const first: Checkpoint = await checkpointOf(provider, vm);
    const point = await provider.convertCheckpoint(first.id, quiet);
    const second = await checkpointOf(provider, vm);
    await guestWrite(root, 'web', 'os', { offset: 2 * MiB, from: Buffer.alloc(10, 'x') });
    const other = await site.restarted({ stateFolder: join(site.directory, 'other-state') });
    const [found] = await other.listReferencePoints(vm.id, never);
    assert.deepEqual([found?.id, found?.owner, found?.disks], [point.id, undefined, point.disks]);
    const [marked] = await other.listCheckpoints(vm.id, never);
    assert.deepEqual([marked?.id, marked?.owner, marked?.runId, marked?.consistency], [second.id, owner, run, 'crash']);
    assert.deepEqual(marked?.disks, second.disks);
    const opened = await exportOf(other, second.id);
    const [disk] = opened.disks;
    assert.ok(disk !== undefined);
    assert.deepEqual(await allExtents(other, opened, disk.id, point.disks[0]?.trackingId), []);
    await other.closeExport(opened.id);
    await other.removeCheckpoint(second.id, quiet);
    await assert.rejects(other.removeReferencePoint(point.id, undefined, quiet), code('referencePointNotFound'));
    const proof = point.disks.map(({ trackingId: known }) => known);
    await other.removeReferencePoint(point.id, proof, quiet);
    assert.deepEqual(await points(other), []);
  },
);

scenario('records of a VM that moved away wait for it', async (site) => {
  const { provider, vm, root, directory } = site;
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const away = join(directory, 'hv02');
  await initHost(away, { name: 'hv02' });
  await migrate(root, 'web', away);
  assert.deepEqual(await points(provider), []);
  await assert.rejects(provider.listCheckpoints(vm.id, never), code('vmNotFound'));
  await migrate(away, 'web', root);
  assert.deepEqual(await points(provider), [point], 'it is still known for ours');
});

scenario('a VM is its id, whatever it is called', async (site) => {
  const { provider, vm, vmms } = site;
  for (const name of ["'; Remove-Item C:\\ -Recurse #", 'two\nlines', '\u{1f4be}', '\u6f6e'.repeat(100)]) {
    await vmms.describe(vm.id, { name });
    const [found] = await provider.listVms(never);
    assert.deepEqual([found?.id, found?.name], [vm.id, name]);
    await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  }
  await assertNothingLeft(site, 'names');
});

scenario('a host that restarts its service in the middle leaves nothing behind', async (site) => {
  const { provider, vm, vmms } = site;
  vmms.faults.set({ jobMs: { CreateSnapshot: 300 } });
  const taking = checkpointOf(provider, vm).catch((error: unknown) => error);
  for (let waited = 0; (vmms.counts.get('invoke CreateSnapshot') ?? 0) === 0 && waited < 20_000; waited += 10)
    await sleep(10);
  await vmms.restart();
  const result = await taking;
  vmms.faults.reset();
  if (typeof result === 'object' && result !== null && 'id' in result) {
    await provider.removeCheckpoint(checkpointId(String(result.id), 'id'), quiet);
  }
  assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
  await vmms.mergesSettled();
  assert.deepEqual(vmms.leftovers(), []);
});

scenario('a host that shows nothing to the agent is an error, never an empty list', async (site) => {
  const { vmms } = site;
  vmms.faults.set({ notElevated: true });
  const blind = await site.restarted();
  assert.match((await blind.recover(never)).join(), /Not put in order yet/);
  await assert.rejects(blind.describe(never), code('hypervUnavailable'));
  await assert.rejects(blind.listVms(never), code('hypervUnavailable'));
  await assert.rejects(blind.listReferencePoints(undefined, never), code('hypervUnavailable'));
  await assert.rejects(blind.listCheckpoints(undefined, never), code('hypervUnavailable'));
});
