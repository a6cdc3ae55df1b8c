/** Failures of Hyper-V as they come through the real module: what the agent makes of them, and how it waits for jobs that go wrong. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { silentLogger } from '../../../server/base/log.ts';
import { getCheckpoint, getHost, getVm, startCheckpoint } from '../../../server/agent/hyperv/commands/index.ts';
import { waitForJob } from '../../../server/agent/hyperv/calls/jobs.ts';
import type { JobEnding, JobWait } from '../../../server/agent/hyperv/calls/jobs.ts';
import type { PowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import type { JobEnd } from '../../support/hyperv/vmms/faults.ts';
import { moduleLab } from './module-lab.ts';
import type { ModuleLab } from './module-lab.ts';

const powershellOf = ({ call }: ModuleLab): PowerShell => ({
  invoke: async (command, args) => await call(command, args),
  [Symbol.asyncDispose]: async () => undefined,
});

/** Takes a checkpoint, and waits for it as the agent does. */
async function take(lab: ModuleLab, wait: Partial<JobWait> = {}): Promise<string | undefined> {
  const { outcome } = await lab.call(startCheckpoint, {
    VmId: lab.vm.id,
    Consistency: 'crash',
    GuestBackupType: 'copy',
  });
  return await waitForJob(powershellOf(lab), outcome, {
    name: startCheckpoint.name,
    signal: new AbortController().signal,
    log: silentLogger,
    timing: { maxPollMs: 50, firstRetryMs: 20 },
    ...wait,
  });
}

/** How often a job was asked to end. */
const stops = ({ vmms }: ModuleLab): number =>
  [...vmms.counts].reduce((sum, [label, count]) => sum + (label.includes('RequestStateChange') ? count : 0), 0);

describe('A failure of Hyper-V, through the real module', () => {
  it('of a job is known by its numbers, in English and in German', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    const ends: readonly (readonly [string, JobEnd])[] = [
      ['TM2108', { state: 10, errorCode: 32_768, hresult: 0x800423f4, worked: false }],
      ['TM2115', { state: 10, errorCode: 32_768, hresult: 0x80070070, worked: false }],
      ['TM2211', { state: 10, errorCode: 32_768, hresult: 0x80048102, worked: false }],
      ['TM2212', { state: 7, errorCode: 32_768, hresult: 0x80070020, worked: false }],
      ['TM2217', { state: 10, errorCode: 32_768, hresult: 0x80070569, worked: false }],
      ['TM2219', { state: 10, errorCode: 32_774, worked: false }],
      ['TM2107', { state: 10, errorCode: 32_768, worked: false }],
      ['TM2107', { state: 9, errorCode: 0, worked: false }],
      ['TM2108', { state: 10, errorCode: 32_768, text: 'Etwas\r\nging schief: -2147212300.', worked: false }],
    ];
    for (const language of ['en', 'de'] as const) {
      for (const [code, end] of ends) {
        lab.vmms.faults.set({ language, jobEnds: { CreateSnapshot: end } });
        await assert.rejects(
          take(lab),
          { code, message: /^Hyper-V could not take the checkpoint/ },
          JSON.stringify(end),
        );
      }
    }
    assert.deepEqual(lab.vmms.leftovers(), []);
  });

  it('at once is known by the return value', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    for (const [returnValue, code] of [
      [1, 'TM2207'],
      [4, 'TM2107'],
      [32_768, 'TM2107'],
      [32_769, 'TM2205'],
      [32_774, 'TM2219'],
      [32_775, 'TM2219'],
      [32_777, 'TM2204'],
    ] as const) {
      lab.vmms.faults.set({ returnCodes: { CreateSnapshot: returnValue } });
      await assert.rejects(take(lab), { code, message: new RegExp(`CreateSnapshot gave ${returnValue}`) });
    }
  });

  it('of rights, of the service or of the role is told apart', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    lab.vmms.faults.set({ accessDenied: ['Msvm_VirtualSystemSnapshotService', 'CreateSnapshot'] });
    await assert.rejects(take(lab), { code: 'TM2205' });
    lab.vmms.faults.set({ accessDenied: [], notElevated: true });
    assert.equal((await lab.call(getHost, {})).hypervAvailable, false);
    lab.vmms.faults.set({ notElevated: false, rpcFailures: 1 });
    await assert.rejects(lab.call(getVm, {}), { code: 'TM2204' });
    assert.equal((await lab.call(getVm, {})).vms.length, 1);
  });
});

describe('A job of Hyper-V, through the real module', () => {
  it('that was completed with a warning is done', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    lab.vmms.faults.set({
      jobEnds: { CreateSnapshot: { state: 32_768, errorCode: 0, text: 'Achtung.', worked: true } },
    });
    assert.match((await take(lab)) ?? '', /Achtung\./);
    assert.equal((await lab.call(getCheckpoint, {})).checkpoints.length, 1);
  });

  it('that vanishes with the management service has an unknown outcome', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    lab.vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
    const asked = Promise.withResolvers<void>();
    const taken = assert.rejects(take(lab, { progress: () => asked.resolve() }), { code: 'TM2209' });
    await asked.promise;
    await lab.vmms.restart();
    await taken;
  });

  it('without progress is cancelled on the host', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    lab.vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
    const timing = { maxPollMs: 50, quietMs: () => 300 };
    await assert.rejects(take(lab, { timing }), { code: 'TM2208' });
    assert.equal(stops(lab), 1);
    assert.deepEqual(lab.vmms.leftovers(), []);
  });

  it('of a caller who gives up is cancelled on the host; how it ended is told afterwards', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const lab = await moduleLab(t);
    for (const cancelled of [true, false]) {
      lab.vmms.faults.set({ stuckJobs: ['CreateSnapshot'], cancellable: { CreateSnapshot: cancelled } });
      const controller = new AbortController();
      const asked = Promise.withResolvers<void>();
      const told = Promise.withResolvers<Promise<JobEnding>>();
      const taken = assert.rejects(
        take(lab, {
          signal: controller.signal,
          progress: () => asked.resolve(),
          abandoned: (ending) => told.resolve(ending),
        }),
        { code: 'TM1999' },
      );
      await asked.promise;
      controller.abort();
      await taken;
      if (!cancelled) {
        await sleep(200);
        lab.vmms.faults.set({ stuckJobs: [] });
      }
      const { state } = await told.promise;
      assert.equal(state, cancelled ? 'failed' : 'succeeded');
      const made = (await lab.call(getCheckpoint, {})).checkpoints.length;
      assert.equal(made, cancelled ? 0 : 1, 'what it made can be removed');
    }
  });
});
