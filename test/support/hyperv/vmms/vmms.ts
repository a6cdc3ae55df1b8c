/** The parts of a VMMS, put together: what the answers are computed from. */
import { createSimulatedProvider } from '../../../../server/agent/simulated/index.ts';
import type { HostProvider } from '../../../../server/agent/provider.ts';
import type { FaultSwitches } from './faults.ts';
import { Jobs } from './jobs.ts';
import type { Ledger } from './ledger.ts';
import { Merges } from './merges.ts';
import { PlannedVms } from './planned.ts';
import type { World } from './world.ts';

/** A hanging VSS hangs until the job is cancelled. */
const vssTimeoutMs = 3_600_000;

/** What `OperationalStatus[1]` says while something runs on a VM (docs/hyperv.md). */
export const operations = {
  creatingSnapshot: 32_768,
  deletingSnapshot: 32_770,
  mergingDisks: 32_772,
  exporting: 32_773,
} as const;

export interface Vmms {
  readonly world: World;
  readonly faults: FaultSwitches;
  readonly jobs: Jobs;
  readonly merges: Merges;
  readonly planned: PlannedVms;
  readonly ledger: Ledger;
  readonly provider: HostProvider;
  /** What runs on VMs now, by their ids. */
  readonly running: Map<string, number>;
  /** Snapshots and reference points that cannot be seen yet: until when. */
  readonly hidden: Map<string, number>;
  readonly bootedAt: Date;
  readonly now: () => number;
}

/** A VMMS that has just started: no jobs, no locks; merges that were waiting begin. */
export function createVmms(world: World, faults: FaultSwitches, ledger: Ledger, now: () => number): Vmms {
  const merges = new Merges(world, faults);
  return {
    world,
    faults,
    jobs: new Jobs(faults, now),
    merges,
    planned: new PlannedVms(world),
    ledger,
    provider: createSimulatedProvider(world.root, { jobMs: 0, vssTimeoutMs }),
    running: new Map(),
    hidden: new Map(),
    bootedAt: new Date(now()),
    now,
  };
}

/** What runs on a VM: an operation of VMMS, or its disks merge. */
export function operationOf(vmms: Vmms, vmId: string): number | undefined {
  return vmms.running.get(vmId) ?? (vmms.merges.isRunning(vmId) ? operations.mergingDisks : undefined);
}

/** Something new cannot be seen at once, where that is switched on. */
export function hideForNow(vmms: Vmms, id: string): void {
  const { visibleAfterMs } = vmms.faults.now;
  if (visibleAfterMs > 0) vmms.hidden.set(id, vmms.now() + visibleAfterMs);
}

/** Whether a snapshot or a reference point can be seen already. */
export const isVisible = (vmms: Vmms, id: string): boolean => (vmms.hidden.get(id) ?? 0) <= vmms.now();
