/** A host with 1,000 VMs: what is asked of Hyper-V does not grow with their number, and the time for it only as their number does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { copyVm } from '../../support/hyperv/many-vms.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { never } from '../../unit/simulated/support.ts';
import { hyperVSite } from './support.ts';
import type { HyperVSite } from './support.ts';

/** What ten times as many VMs may cost at most. In proportion it is 10, with the square of their number it would be 100. */
const mostGrowth = 30;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function listTimes(site: HyperVSite, vms: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let run = 0; run < 3; run++) {
    const started = performance.now();
    assert.equal((await site.provider.listVms(never)).length, vms);
    times.push(performance.now() - started);
  }
  return times;
}

test('listing 1,000 VMs asks Hyper-V the same few questions as listing 100, and its time grows with their number only', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  await copyVm(site.root, 'web', 99);
  await site.provider.listVms(never);
  site.vmms.counts.clear();
  const few = await listTimes(site, 100);
  const asked = new Map(site.vmms.counts);
  assert.deepEqual(
    asked,
    new Map([
      ['enumerate Msvm_ComputerSystem', 3],
      ['enumerate Msvm_VirtualSystemSettingData', 3],
      ['enumerate Msvm_StorageAllocationSettingData', 3],
      ['enumerate Msvm_ResourceAllocationSettingData', 3],
      ['enumerate Msvm_SyntheticFcPortSettingData', 3],
    ]),
  );
  await copyVm(site.root, 'web', 900, 99);
  await site.provider.listVms(never);
  site.vmms.counts.clear();
  const many = await listTimes(site, 1_000);
  assert.deepEqual(new Map(site.vmms.counts), asked);
  const growth = median(many) / median(few);
  t.diagnostic(`10 times as many VMs: ${growth.toFixed(1)} times the time`);
  assert.ok(growth < mostGrowth, `${growth.toFixed(1)} times the time for 10 times as many VMs`);
});

test('every VM of a large host comes with its own disks', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const site = await hyperVSite(t);
  await copyVm(site.root, 'web', 299);
  const vms = await site.provider.listVms(never);
  const disks = vms.flatMap((vm) => vm.disks.map((disk) => ({ vm, disk })));
  assert.equal(new Set(disks.map(({ disk }) => disk.id)).size, 600);
  for (const { vm, disk } of disks) assert.match(disk.path, new RegExp(`/vms/${vm.name}/(?:os|data)\\.vhdx$`));
  assert.deepEqual(
    vms.flatMap((vm) => vm.rctBlockers),
    [],
  );
});
