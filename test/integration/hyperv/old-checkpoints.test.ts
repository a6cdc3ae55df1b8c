/** A checkpoint whose daemon never comes back must not stay without a word, as long as the agent lives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { HyperVProviderOptions } from '../../../server/agent/hyperv/index.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { checkpointOf, exportOf, quiet } from '../../unit/simulated/support.ts';
import { fastJobs, hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

const often = { ...fastJobs.timing, oldFirstMs: 10, oldEveryMs: 10 };
const options = (oldMs: number): Partial<HyperVProviderOptions> => ({ timing: { ...often, oldMs } });

const warningsIn = ({ lines }: HyperVSite): number =>
  lines.filter((line) => / warning .*checkpoint of Tidemark is \d+ hours old/.test(line)).length;

/** Waits until the agent has looked once more, from the beginning to the end. */
async function looked({ vmms }: HyperVSite): Promise<void> {
  const looks = (): number => vmms.counts.get('enumerate Msvm_VirtualSystemSettingData') ?? 0;
  const before = looks();
  while (looks() < before + 3) await sleep(5);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

test(
  'the log warns of a checkpoint that is old and that no backup reads, again and again',
  { timeout: 60_000 },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const site = await hyperVSite(t, { provider: options(1) });
    const { provider, vm, vmms } = site;
    await looked(site);
    assert.equal(warningsIn(site), 0);
    const checkpoint = await checkpointOf(provider, vm);
    await until(() => warningsIn(site) >= 2);
    const opened = await exportOf(provider, checkpoint.id);
    // One look may be under way.
    await looked(site);
    const before = warningsIn(site);
    await looked(site);
    assert.equal(warningsIn(site), before, 'a backup reads it');
    await provider.closeExport(opened.id);
    await until(() => warningsIn(site) > before);
    await provider.removeCheckpoint(checkpoint.id, quiet);
    await looked(site);
    const after = warningsIn(site);
    await vmms.foreignSnapshot(vm.id);
    await looked(site);
    assert.equal(warningsIn(site), after, 'those of other products are none of its business');
  },
);

test('a checkpoint of less than a day is none to warn of', { timeout: 60_000 }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t, { provider: { timing: often } });
  const checkpoint = await checkpointOf(site.provider, site.vm);
  await looked(site);
  await looked(site);
  await site.provider.removeCheckpoint(checkpoint.id, quiet);
  assert.equal(warningsIn(site), 0);
});
