/** Where the time of a small backup goes: the parts of it through the provider for Hyper-V and through the simulated host's own. */
import { createSimulatedProvider } from '../../../server/agent/simulated/index.ts';
import type { HostProvider } from '../../../server/agent/provider.ts';
import type { ReferencePoint } from '../../../server/protocol/model.ts';
import { backUp } from './cycle.ts';
import type { Step } from './cycle.ts';
import { median } from './memory.ts';
import { hypervProvider } from './provider.ts';
import { benchSite } from './site.ts';
import type { BenchSite } from './site.ts';

const mib = 1024 ** 2;
/** The first ones warm PowerShell up. */
const warmUp = 5;
const cycles = 20;

/** Medians. */
export interface StepCost {
  readonly step: Step;
  readonly hypervMs: number;
  /** Functions of the module that were called. */
  readonly calls: number;
  readonly simulatedMs: number;
}

interface Measured {
  readonly times: number[];
  readonly calls: number[];
}

/** Measures the parts of a backup of a VM with one disk. */
export async function stepCosts(): Promise<readonly StepCost[]> {
  await using first = await benchSite(8 * mib);
  await using host = await hypervProvider(first, `${first.directory}/state`);
  const hyperv = await measured(host.provider, first, () => host.calls());
  await using second = await benchSite(8 * mib);
  await using provider = createSimulatedProvider(second.root, { jobMs: 0 });
  const simulated = await measured(provider, second, () => 0);
  return [...hyperv].map(([step, { times, calls }]) => ({
    step,
    hypervMs: median(times),
    calls: median(calls),
    simulatedMs: median(simulated.get(step)?.times ?? []),
  }));
}

async function measured(
  provider: HostProvider,
  site: BenchSite,
  calls: () => number,
): Promise<ReadonlyMap<Step, Measured>> {
  const found = new Map<Step, Measured>();
  let point: ReferencePoint | undefined;
  for (let cycle = 0; cycle < warmUp + cycles; cycle++) {
    point = await backUp(provider, site.root, site.vm, cycle, point, async (step, work) => {
      const before = calls();
      const started = performance.now();
      const result = await work();
      const costs = found.get(step) ?? { times: [], calls: [] };
      if (cycle >= warmUp) {
        costs.times.push(performance.now() - started);
        costs.calls.push(calls() - before);
        found.set(step, costs);
      }
      return result;
    });
  }
  return found;
}
