/** VMs that have restore points, over all repositories: also those that no host has any more. */
import type { VmId } from '../../../server/protocol/ids.ts';
import type { PointSummary } from '../../stores/index.ts';

export interface VmWithPoints {
  readonly vmId: VmId;
  /** As its newest restore point has it. */
  readonly vmName: string;
  readonly count: number;
  readonly newestAt: string;
}

/** By name. */
export function vmsWithPoints(summaries: readonly (PointSummary | undefined)[]): readonly VmWithPoints[] {
  const byId = new Map<VmId, VmWithPoints>();
  for (const { vmId, vmName, count, newestAt } of summaries.flatMap((summary) => summary?.vms ?? [])) {
    const before = byId.get(vmId);
    const newest = before === undefined || before.newestAt < newestAt ? { vmName, newestAt } : before;
    byId.set(vmId, {
      vmId,
      vmName: newest.vmName,
      newestAt: newest.newestAt,
      count: count + (before?.count ?? 0),
    });
  }
  return [...byId.values()].sort((a, b) => byName.compare(a.vmName, b.vmName));
}

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
