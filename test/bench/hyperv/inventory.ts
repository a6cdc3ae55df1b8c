/** Listing the VMs of a host: from nothing, with a PowerShell that has just started, and again. */
import { copyVm } from '../../support/hyperv/many-vms.ts';
import { median } from './memory.ts';
import { hypervProvider } from './provider.ts';
import { benchSite } from './site.ts';
import type { BenchSite } from './site.ts';

const mib = 1024 ** 2;
const never = new AbortController().signal;

/** Milliseconds, medians. */
export interface InventoryResult {
  readonly vms: number;
  /** The first answer of an agent that has just started, the start of PowerShell in it. */
  readonly coldMs: number;
  readonly warmMs: number;
  /** Of the answer to the daemon. */
  readonly bytes: number;
}

/** Measures hosts with so many VMs of two disks. */
export async function inventoryTimes(counts: readonly number[]): Promise<readonly InventoryResult[]> {
  const results: InventoryResult[] = [];
  for (const vms of counts) {
    await using site = await benchSite(8 * mib, ['data']);
    await copyVm(site.root, 'web', vms - 1);
    results.push(await ofSite(site, vms));
  }
  return results;
}

async function ofSite(site: BenchSite, vms: number): Promise<InventoryResult> {
  const cold: number[] = [];
  const warm: number[] = [];
  let bytes = 0;
  for (let agent = 0; agent < 3; agent++) {
    let started = performance.now();
    await using host = await hypervProvider(site, `${site.directory}/state-${agent}`);
    const found = await host.provider.listVms(never);
    cold.push(performance.now() - started);
    if (found.length !== vms) throw new Error(`${found.length} VMs instead of ${vms}.`);
    bytes = Buffer.byteLength(JSON.stringify({ vms: found }));
    for (let again = 0; again < 5; again++) {
      started = performance.now();
      await host.provider.listVms(never);
      warm.push(performance.now() - started);
    }
  }
  return { vms, coldMs: median(cold), warmMs: median(warm), bytes };
}
