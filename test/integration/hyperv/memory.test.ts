/** Nothing is piled up by backups: neither in the agent nor in its PowerShell. `npm run bench:hyperv` does the same for hours. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { backUps, managedBytes, medianOf } from '../../bench/hyperv/memory.ts';
import type { Sample } from '../../bench/hyperv/memory.ts';
import { benchSite } from '../../bench/hyperv/site.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';

/** Bytes of each backup that count as a leak. PowerShell keeps the last scripts that it compiled, which is not full after 20 backups: some 700 KB more, once. */
const leakBytes = 48 * 1024;
const cycles = 40;

test('40 backups leave nothing behind in the agent and in a session of PowerShell', async (t) => {
  if (skipWithoutDotnet(t)) return;
  if (!existsSync('/proc/self/fd')) return t.skip('memory is read from /proc, which this system does not have');
  await using site = await benchSite(8 * MiB);
  const samples = await backUps(site, { cycles, every: 2, oneSession: true });
  assert.equal(samples.length, cycles / 2);
  // Between the middle of one and the middle of the other are 20 backups.
  const growth = (of: (one: Sample) => number): number =>
    (medianOf(samples, 30, 40, of) - medianOf(samples, 10, 20, of)) / 20;
  const perBackup = { agent: growth((one) => one.heapBytes), powershell: growth(managedBytes) };
  t.diagnostic(`bytes more with each backup: ${JSON.stringify(perBackup)}`);
  assert.ok(perBackup.agent < leakBytes, `the agent holds ${perBackup.agent} bytes more after each backup`);
  assert.ok(perBackup.powershell < leakBytes, `PowerShell holds ${perBackup.powershell} bytes more after each backup`);
  const handles = growth((one) => one.handles);
  assert.ok(handles < 0.5, `${handles} handles more after each backup`);
  assert.equal(samples.at(-1)?.sessions, 1);
});
